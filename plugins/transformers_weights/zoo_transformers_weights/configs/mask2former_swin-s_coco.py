"""Mask2Former with Swin-S, instances of COCO: upstream's config without ImageNet weights."""

_base_ = ["mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"]
model = dict(backbone=dict(init_cfg=None))
