"""Mask2Former with Swin-T, classes of ADE20K: upstream's config without ImageNet weights."""

_base_ = ["mmseg::mask2former/mask2former_swin-t_8xb2-160k_ade20k-512x512.py"]
model = dict(backbone=dict(init_cfg=None))
