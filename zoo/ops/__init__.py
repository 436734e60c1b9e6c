# SPDX-License-Identifier: Apache-2.0
"""mmcv's compiled kernels in plain torch: RoIAlign, suppression of boxes, and a few for GPUs.

:mod:`zoo._extension` offers these to mmcv as ``mmcv._ext`` where no compiled mmcv is installed.
"""

from zoo.ops.kernels import KERNELS, find_kernel

__all__ = ["KERNELS", "find_kernel"]
