"""Mask R-CNN on ResNet-50-FPN with group norm throughout, so that it trains from scratch.

Batch norm does not train with two crops per step, because its statistics are too noisy.
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
