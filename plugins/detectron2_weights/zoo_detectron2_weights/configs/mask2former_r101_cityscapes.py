"""Mask2Former R101 of its authors on classes of Cityscapes: upstream's config, no ImageNet.

mIoU 80.1 on Cityscapes val, one scale, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mmseg::mask2former/mask2former_r101_8xb2-90k_cityscapes-512x1024.py"]
model = dict(backbone=dict(init_cfg=None))
