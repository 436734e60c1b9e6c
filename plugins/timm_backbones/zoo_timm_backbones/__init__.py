# SPDX-License-Identifier: Apache-2.0
"""ImageNet backbones of timm, for the same backbones of mmdet and mmseg."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
