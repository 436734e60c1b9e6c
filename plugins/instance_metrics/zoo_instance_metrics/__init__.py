# SPDX-License-Identifier: Apache-2.0
"""COCO's AP of boxes and masks, by size too, and the errors of counts, for mmdet."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
