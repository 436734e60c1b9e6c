# SPDX-License-Identifier: Apache-2.0
"""The configs of zoo, as a regular plugin; installed as ``zoo_configs``."""

import zoo as zoo
