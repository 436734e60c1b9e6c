# SPDX-License-Identifier: Apache-2.0
"""The U-Net family as backbones for mmseg's heads."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
