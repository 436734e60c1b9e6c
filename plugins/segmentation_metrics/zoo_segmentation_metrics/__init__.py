# SPDX-License-Identifier: Apache-2.0
"""Dice, IoU and boundary distances per class, per image and pooled, for mmseg."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
