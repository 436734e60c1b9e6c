# SPDX-License-Identifier: Apache-2.0
"""These tests are of torch code: without torch there is nothing to collect."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
