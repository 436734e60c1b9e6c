"""A Mask R-CNN of less than three million parameters, on three levels of EfficientNet-Lite0."""

_base_ = ["mask_rcnn_efficientnet-lite0.py"]
num_channels = 64

model = dict(
    # Tanks have at most 108 px, so the level of stride 32 comes from pooling.
    backbone=dict(out_indices=(1, 2, 3)),
    neck=dict(in_channels=[24, 40, 112], out_channels=num_channels, num_outs=5),
    rpn_head=dict(in_channels=num_channels, feat_channels=num_channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=num_channels, featmap_strides=[4, 8, 16]),
        bbox_head=dict(in_channels=num_channels, fc_out_channels=256),
        mask_roi_extractor=dict(out_channels=num_channels, featmap_strides=[4, 8, 16]),
        mask_head=dict(num_convs=2, in_channels=num_channels, conv_out_channels=num_channels),
    ),
)
