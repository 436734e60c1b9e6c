"""Mask R-CNN on EfficientNet-Lite0 from ImageNet with half the channels, for a CPU."""

_base_ = ["mask_rcnn_fpn.py"]
num_channels = 128

model = dict(
    # The normalisation of the encoder's pre-training.
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type="zoo.efficientnet_lite.EfficientNetLite0",
        out_indices=(1, 2, 3, 4),
        # The maps are linear with very different scales: without a norm, losses start near 20.
        out_norm=True,
        norm_eval=True,  # batches have two crops
        init_cfg=dict(type="zoo.efficientnet_lite.ImageNetWeights"),
    ),
    neck=dict(in_channels=[24, 40, 112, 320], out_channels=num_channels),
    rpn_head=dict(in_channels=num_channels, feat_channels=num_channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=num_channels),
        bbox_head=dict(in_channels=num_channels, fc_out_channels=512),
        mask_roi_extractor=dict(out_channels=num_channels),
        mask_head=dict(in_channels=num_channels, conv_out_channels=num_channels),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=256)),
        rpn_proposal=dict(nms_pre=1000, max_per_img=500),
        rcnn=dict(sampler=dict(num=192)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=1000, max_per_img=1000)),
)
