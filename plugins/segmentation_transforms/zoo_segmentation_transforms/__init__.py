# SPDX-License-Identifier: Apache-2.0
"""Augmentation for segmentation."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
