# SPDX-License-Identifier: Apache-2.0
"""A plugin-based model zoo registry for image segmentation on OpenMMLab."""

from zoo import _extension

__version__ = "0.1.0"

# mmcv-lite has no kernels: mmcv._ext comes from zoo.ops where no compiled one is installed.
_extension.install()
