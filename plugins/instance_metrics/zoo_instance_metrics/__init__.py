# SPDX-License-Identifier: Apache-2.0
"""COCO's AP of boxes and masks, also by size, and count errors, for mmdet."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
