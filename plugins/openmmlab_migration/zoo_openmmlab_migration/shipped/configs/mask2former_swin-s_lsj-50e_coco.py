"""Mask2Former with Swin-S on COCO, for the file of mmdet 2.x.

Upstream's config without ImageNet weights. The file's own numbers were not measured by zoo.
"""

_base_ = ["mmdet::mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco.py"]
model = dict(backbone=dict(init_cfg=None))
