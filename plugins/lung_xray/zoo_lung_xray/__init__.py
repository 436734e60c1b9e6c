# SPDX-License-Identifier: Apache-2.0
"""Lung fields in chest radiographs: a data set, how to prepare it, and a synthetic twin of it."""

import zoo  # noqa: F401  (installs the stand-in for mmcv._ext, also in spawned workers)

__all__: list[str] = []
