"""Mask2Former R101 of its authors on classes of ADE20K: upstream's config without ImageNet weights.

mIoU 47.8 on ADE20K val, one scale, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mmseg::mask2former/mask2former_r101_8xb2-160k_ade20k-512x512.py"]
model = dict(backbone=dict(init_cfg=None))
