"""Mask2Former R50 of its authors on instances of COCO: upstream's config without ImageNet weights.

Mask AP 43.7 on COCO val2017, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py"]
model = dict(backbone=dict(init_cfg=None))
