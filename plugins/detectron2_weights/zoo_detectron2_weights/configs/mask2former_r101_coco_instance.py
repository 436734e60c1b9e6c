"""Mask2Former R101 of its authors on instances of COCO.

Mask AP 44.2 on COCO val2017, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mask2former_r50_coco_instance.py"]
model = dict(backbone=dict(depth=101))
