"""Mask2Former with Swin-S, classes of Cityscapes: upstream's config without ImageNet weights."""

_base_ = ["mmseg::mask2former/mask2former_swin-s_8xb2-90k_cityscapes-512x1024.py"]
model = dict(backbone=dict(init_cfg=None))
