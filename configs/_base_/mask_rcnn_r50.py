"""Mask R-CNN on ResNet-50-FPN with group norm throughout, so that it trains from scratch.

Batch norm would not: with two crops a step its statistics are noise.
"""

_base_ = ["mask_rcnn_fpn.py"]
norm_cfg = dict(type="GN", num_groups=32)

model = dict(
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=dict(_delete_=True, **norm_cfg),
        norm_eval=False,
        init_cfg=None,
    ),
    roi_head=dict(
        bbox_head=dict(type="Shared4Conv1FCBBoxHead", conv_out_channels=256, norm_cfg=norm_cfg)
    ),
)
