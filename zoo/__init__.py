# SPDX-License-Identifier: Apache-2.0
"""A plugin-based model zoo registry for image segmentation on OpenMMLab."""

__version__ = "0.1.0"
