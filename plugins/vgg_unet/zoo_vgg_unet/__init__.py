# SPDX-License-Identifier: Apache-2.0
"""The U-Net family as backbones for mmseg's heads."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
