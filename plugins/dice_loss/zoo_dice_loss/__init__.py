# SPDX-License-Identifier: Apache-2.0
"""Soft Dice loss for mmseg heads and mmdet mask heads."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
