"""torchvision's Mask R-CNN with ResNet-50 and FPN, version 2, for 80 classes of COCO.

Published: box AP 47.4, mask AP 41.8 on COCO val2017 (torchvision 0.28.0); not measured with zoo.
"""

_base_ = ["mask_rcnn_r50_fpn_coco.py"]
norm_cfg = dict(type="BN", requires_grad=True)

model = dict(
    backbone=dict(norm_cfg=dict(_delete_=True, **norm_cfg)),
    neck=dict(norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type="Shared4Conv1FCBBoxHead", norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg),
    ),
)
