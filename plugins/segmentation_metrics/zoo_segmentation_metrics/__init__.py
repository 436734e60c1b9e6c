# SPDX-License-Identifier: Apache-2.0
"""Dice, IoU and boundary distances per class, per image and pooled, for mmseg."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
