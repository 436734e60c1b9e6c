# SPDX-License-Identifier: Apache-2.0
"""Weights of detectron2 and of models built on it, for the same models of mmdet and mmseg."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
