"""detectron2's mask_rcnn_R_50_FPN_3x_syncbn: batch norm in backbone, neck and heads.

Box AP 41.9 and mask AP 37.8 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_fpn.py"]
# Plain batch norm has the same tensors and trains on one device; several need SyncBN.
norm_cfg = dict(type="BN", requires_grad=True)

model = dict(
    backbone=dict(norm_cfg=norm_cfg, norm_eval=False),
    neck=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=dict(type="Shared4Conv1FCBBoxHead", conv_out_channels=256, norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
