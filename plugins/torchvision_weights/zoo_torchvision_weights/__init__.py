# SPDX-License-Identifier: Apache-2.0
"""torchvision's weights, converted exactly to models of mmdet and backbones of OpenMMLab."""

import zoo  # noqa: F401  (installs the substitute for mmcv._ext, also in spawned workers)

__all__: list[str] = []
