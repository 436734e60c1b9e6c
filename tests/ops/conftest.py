# SPDX-License-Identifier: Apache-2.0
"""These tests are of torch code, most of it called by mmcv: zoo comes before mmcv."""

from importlib.util import find_spec

import zoo  # noqa: F401  the finder of mmcv._ext

collect_ignore_glob = [] if find_spec("mmcv") else ["test_*.py"]
