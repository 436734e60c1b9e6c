# SPDX-License-Identifier: Apache-2.0
"""Lung fields in chest radiographs: prepare, a data set, and a synthetic sample."""

import zoo  # noqa: F401  (installs the substitute for mmcv._ext, also in spawned workers)

__all__: list[str] = []
