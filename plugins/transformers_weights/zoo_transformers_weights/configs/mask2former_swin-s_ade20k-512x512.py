"""Mask2Former with Swin-S, classes of ADE20K: upstream's config without ImageNet weights."""

_base_ = ["mmseg::mask2former/mask2former_swin-s_8xb2-160k_ade20k-512x512.py"]
model = dict(backbone=dict(init_cfg=None))
