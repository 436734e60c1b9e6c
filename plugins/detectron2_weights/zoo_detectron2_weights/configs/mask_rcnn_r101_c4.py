"""detectron2's mask_rcnn_R_101_C4_3x.

Box AP 42.6 and mask AP 36.7 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_c4.py"]
model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet101_caffe"))
)
