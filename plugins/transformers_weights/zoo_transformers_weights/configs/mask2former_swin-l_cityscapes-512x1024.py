"""Mask2Former with Swin-L, classes of Cityscapes: upstream's config without ImageNet weights."""

_base_ = ["mmseg::mask2former/mask2former_swin-l-in22k-384x384-pre_8xb2-90k_cityscapes-512x1024.py"]
model = dict(backbone=dict(init_cfg=None))
