"""Mask2Former R101 of its authors on instances of Cityscapes.

Mask AP 38.5 on Cityscapes val, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mask2former_r50_cityscapes_instance.py"]
model = dict(backbone=dict(depth=101))
