"""detectron2's Cityscapes/mask_rcnn_R_50_FPN: upstream's config, with detectron2's pixels.

Mask AP 36.5 on Cityscapes val, as detectron2's MODEL_ZOO.md states it.
"""

_base_ = ["mmdet::cityscapes/mask-rcnn_r50_fpn_1x_cityscapes.py"]
load_from = None

model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(norm_cfg=dict(requires_grad=False), style="caffe"),
)
