"""Mask2Former with Swin-L, classes of ADE20K: upstream's config without ImageNet weights."""

_base_ = ["mmseg::mask2former/mask2former_swin-l-in22k-384x384-pre_8xb2-160k_ade20k-640x640.py"]
model = dict(backbone=dict(init_cfg=None))
