"""Mask2Former R50 of its authors on classes of Cityscapes: upstream's config, no ImageNet weights.

mIoU 79.4 on Cityscapes val, one scale, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py"]
model = dict(backbone=dict(init_cfg=None))
