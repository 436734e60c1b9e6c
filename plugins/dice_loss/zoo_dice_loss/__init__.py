# SPDX-License-Identifier: Apache-2.0
"""Soft Dice loss for mmseg heads and mmdet mask heads."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
