# SPDX-License-Identifier: Apache-2.0
"""Configs and checkpoints of mmseg 0.x and mmdet 2.x, rewritten for mmseg 1.x and mmdet 3.x."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
