# SPDX-License-Identifier: Apache-2.0
"""Augmentation for segmentation."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
