"""mmdetection's Mask R-CNN with anchors, norms and counts for tanks, the base of zoo's configs.

Tanks have 3 to 108 px, and a scene has up to 900 of them; a tile or a crop has fewer. Anchors have
6 to 152 px in steps of a third of an octave, and are square, because tanks are as wide as high.
"""

_base_ = ["mmdet::_base_/models/mask-rcnn_r50_fpn.py"]
norm_cfg = dict(type="GN", num_groups=32)

model = dict(
    neck=dict(norm_cfg=norm_cfg),
    rpn_head=dict(
        anchor_generator=dict(
            _delete_=True,
            type="AnchorGenerator",
            octave_base_scale=1.5,
            scales_per_octave=3,
            ratios=[1.0],
            strides=[4, 8, 16, 32, 64],
        ),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(num_classes=1),
        mask_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),
        mask_head=dict(
            norm_cfg=norm_cfg,
            num_classes=1,
            loss_mask=dict(
                _delete_=True, type="zoo.dice_loss.DiceLoss", use_mask=True, ce_weight=1.0
            ),
        ),
    ),
    train_cfg=dict(
        # Proposals inside a crowd are neither objects nor background.
        rpn=dict(sampler=dict(num=512), assigner=dict(ignore_iof_thr=0.5)),
        rcnn=dict(assigner=dict(ignore_iof_thr=0.5)),
        rpn_proposal=dict(nms_pre=4000, max_per_img=2000),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=4000, max_per_img=2000),
        rcnn=dict(max_per_img=1000),
    ),
)
