"""detectron2's LVISv0.5-InstanceSegmentation/mask_rcnn_R_101_FPN_1x.

Box AP 25.6 and mask AP 25.9 on LVIS v0.5 val, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_fpn_lvis.py"]
model = dict(
    backbone=dict(depth=101, init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet101_caffe"))
)
