"""detectron2's LVISv0.5-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.

Box AP 23.6 and mask AP 24.4 on LVIS v0.5 val, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mmdet::lvis/mask-rcnn_r50_fpn_sample1e-3_ms-2x_lvis-v0.5.py"]
model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        norm_cfg=dict(requires_grad=False),
        style="caffe",
        init_cfg=dict(checkpoint="open-mmlab://detectron2/resnet50_caffe"),
    ),
)
