"""torchvision's Mask R-CNN with ResNet-50 and FPN, version 1, for 80 classes of COCO.

Published: box AP 37.9, mask AP 34.6 on COCO val2017 (torchvision 0.28.0); not measured with zoo.
"""

_base_ = ["mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"]

model = dict(
    # torchvision's: RGB, ImageNet's mean and standard deviation, padded to a multiple of 32 px.
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    # Its batch norms are frozen, and divide by the deviation without an eps.
    backbone=dict(norm_cfg=dict(requires_grad=False, eps=0.0), init_cfg=None),
    rpn_head=dict(anchor_generator=dict(type="zoo.torchvision_weights.RoundedAnchors")),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2, aligned=False)),
        mask_roi_extractor=dict(roi_layer=dict(sampling_ratio=2, aligned=False)),
        bbox_head=dict(loss_cls=dict(type="zoo.torchvision_weights.CategoryIdLoss")),
    ),
    train_cfg=dict(rpn_proposal=dict(min_bbox_size=1e-3)),
    test_cfg=dict(rpn=dict(min_bbox_size=1e-3)),
)
# The shorter side becomes 800 px, unless the longer one would exceed 1333 px.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1333, 800), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
