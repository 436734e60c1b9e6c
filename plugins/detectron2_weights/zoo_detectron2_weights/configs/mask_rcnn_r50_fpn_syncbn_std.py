"""detectron2's scratch_mask_rcnn_R_50_FPN_9x_syncbn: strides in the 3x3 convolutions.

Box AP 43.6 and mask AP 39.3 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_fpn_syncbn.py"]
model = dict(
    data_preprocessor=dict(std=[57.375, 57.12, 58.395]),
    backbone=dict(style="pytorch", init_cfg=dict(checkpoint="torchvision://resnet50")),
)
