# SPDX-License-Identifier: Apache-2.0
"""Detectors of mmdet 2.x, small."""

from __future__ import annotations

_RPN = """    rpn_head=dict(
        type='RPNHead', in_channels=16, feat_channels=16,
        anchor_generator=dict(type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0],
                              strides=[4, 8, 16, 32, 64]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0],
                        target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
"""
_R18_FPN = """    backbone=dict(
        type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True), norm_eval=True, style='pytorch'),
    neck=dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=16, num_outs=5),
"""
_RPN_TRAIN = """rpn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3,
                          min_pos_iou=0.3, match_low_quality=True, ignore_iof_thr=-1),
            sampler=dict(type='RandomSampler', num=64, pos_fraction=0.5, neg_pos_ub=-1,
                         add_gt_as_proposals=False),
            allowed_border=-1, pos_weight=-1, debug=False)"""
_RCNN_TRAIN = """rcnn=dict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5,
                          min_pos_iou=0.5, match_low_quality=False, ignore_iof_thr=-1),
            sampler=dict(type='RandomSampler', num=64, pos_fraction=0.25, neg_pos_ub=-1,
                         add_gt_as_proposals=True),
            mask_size=28, pos_weight=-1, debug=False)"""
_BOX_HEAD = """        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=16, featmap_strides=[4, 8, 16, 32]),
        bbox_head=dict(
            type='Shared2FCBBoxHead', in_channels=16, fc_out_channels=32, roi_feat_size=7,
            num_classes=CLASSES,
            bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0., 0., 0., 0.],
                            target_stds=[0.1, 0.1, 0.2, 0.2]),
            reg_class_agnostic=False,
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
"""
_MASK_HEAD = """        mask_roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=16, featmap_strides=[4, 8, 16, 32]),
        mask_head=dict(
            type='FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16,
            num_classes=CLASSES,
            loss_mask=dict(type='CrossEntropyLoss', use_mask=True, loss_weight=1.0)),
"""
_PROPOSALS = (
    "nms_pre=200, max_per_img=100, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0"
)
_OLD_PROPOSALS = (
    "nms_across_levels=False, nms_pre=200, nms_post=100, max_num=100, nms_thr=0.7, min_bbox_size=0"
)
_RCNN_TEST = (
    "rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100, "
    "mask_thr_binary=0.5)"
)


def _rcnn(kind: str, masks: str, proposals: str, *, apart: bool = False) -> str:
    """Return a two-stage detector; its settings may stand beside the model, as they once did."""
    settings = (
        f"train_cfg=dict(\n        {_RPN_TRAIN},\n        rpn_proposal=dict({proposals}),\n"
        f"        {_RCNN_TRAIN}){{}}\n"
        f"test_cfg=dict(rpn=dict({proposals}), {_RCNN_TEST})"
    )
    head = f"model = dict(\n    type='{kind}',\n    pretrained='torchvision://resnet18',\n"
    body = f"{head}{_R18_FPN}{_RPN}    roi_head=dict(\n{_BOX_HEAD}{masks}    )"
    if apart:
        return f"{body})\n" + settings.format("") + "\n"
    return f"{body},\n    " + settings.format(",").replace("\n", "\n    ") + ")\n"


_ONE_STAGE = """model = dict(
    type='RetinaNet',
    backbone=dict(
        type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True), norm_eval=True, style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=16, start_level=1,
              add_extra_convs='on_input', num_outs=5),
    bbox_head=dict(
        type='RetinaHead', num_classes=CLASSES, in_channels=16, stacked_convs=1, feat_channels=16,
        anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=3,
                              ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32, 64, 128]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0],
                        target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=1.0)),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                      ignore_iof_thr=-1),
        allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.05,
                  nms=dict(type='nms', iou_thr=0.5), max_per_img=100))
"""

_YOLOX = """model = dict(
    type='YOLOX',
    input_size=(64, 64),
    random_size_range=(2, 3),
    random_size_interval=10,
    backbone=dict(type='CSPDarknet', deepen_factor=0.33, widen_factor=0.125),
    neck=dict(type='YOLOXPAFPN', in_channels=[32, 64, 128], out_channels=32, num_csp_blocks=1),
    bbox_head=dict(type='YOLOXHead', num_classes=CLASSES, in_channels=32, feat_channels=32),
    train_cfg=dict(assigner=dict(type='SimOTAAssigner', center_radius=2.5)),
    test_cfg=dict(score_thr=0.01, nms=dict(type='nms', iou_threshold=0.65)))
"""

_LAYER_ATTENTION = "dict(type='MultiheadAttention', embed_dims=32, num_heads=4, dropout=0.1)"
_DEFORMABLE = "dict(type='MultiScaleDeformableAttention', embed_dims=32, num_levels=3)"
_DETR = f"""model = dict(
    type='DETR',
    backbone=dict(
        type='ResNet', depth=18, num_stages=4, out_indices=(3, ), frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True, style='pytorch'),
    bbox_head=dict(
        type='DETRHead', num_classes=CLASSES, in_channels=512, num_query=10,
        transformer=dict(
            type='Transformer',
            encoder=dict(
                type='DetrTransformerEncoder', num_layers=1,
                transformerlayers=dict(
                    type='BaseTransformerLayer', attn_cfgs=[{_LAYER_ATTENTION}],
                    feedforward_channels=64, ffn_dropout=0.1,
                    operation_order=('self_attn', 'norm', 'ffn', 'norm'))),
            decoder=dict(
                type='DetrTransformerDecoder', return_intermediate=True, num_layers=2,
                transformerlayers=dict(
                    type='DetrTransformerDecoderLayer', attn_cfgs={_LAYER_ATTENTION},
                    feedforward_channels=64, ffn_dropout=0.1,
                    operation_order=('self_attn', 'norm', 'cross_attn', 'norm', 'ffn',
                                     'norm')))),
        positional_encoding=dict(type='SinePositionalEncoding', num_feats=16, normalize=True),
        loss_cls=dict(type='CrossEntropyLoss', bg_cls_weight=0.1, use_sigmoid=False,
                      loss_weight=1.0, class_weight=1.0),
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0)),
    train_cfg=dict(assigner=dict(
        type='HungarianAssigner',
        cls_cost=dict(type='ClassificationCost', weight=1.),
        reg_cost=dict(type='BBoxL1Cost', weight=5.0),
        iou_cost=dict(type='IoUCost', iou_mode='giou', weight=2.0))),
    test_cfg=dict(max_per_img=10))
"""

_MASK2FORMER = f"""num_things_classes = CLASSES
num_stuff_classes = 0
num_classes = num_things_classes + num_stuff_classes
model = dict(
    type='Mask2Former',
    backbone=dict(
        type='ResNet', depth=18, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True, style='pytorch'),
    panoptic_head=dict(
        type='Mask2FormerHead', in_channels=[64, 128, 256, 512], strides=[4, 8, 16, 32],
        feat_channels=32, out_channels=32, num_things_classes=num_things_classes,
        num_stuff_classes=num_stuff_classes, num_queries=10, num_transformer_feat_level=3,
        pixel_decoder=dict(
            type='MSDeformAttnPixelDecoder', num_outs=3, norm_cfg=dict(type='GN', num_groups=8),
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                type='DetrTransformerEncoder', num_layers=2,
                transformerlayers=dict(
                    type='BaseTransformerLayer',
                    attn_cfgs={_DEFORMABLE[:-1]}, num_heads=4, num_points=4, im2col_step=64,
                        dropout=0.0, batch_first=False, norm_cfg=None, init_cfg=None),
                    ffn_cfgs=dict(type='FFN', embed_dims=32, feedforward_channels=64, num_fcs=2,
                                  ffn_drop=0.0, act_cfg=dict(type='ReLU', inplace=True)),
                    operation_order=('self_attn', 'norm', 'ffn', 'norm')),
                init_cfg=None),
            positional_encoding=dict(type='SinePositionalEncoding', num_feats=16, normalize=True),
            init_cfg=None),
        enforce_decoder_input_project=False,
        positional_encoding=dict(type='SinePositionalEncoding', num_feats=16, normalize=True),
        transformer_decoder=dict(
            type='DetrTransformerDecoder', return_intermediate=True, num_layers=2,
            transformerlayers=dict(
                type='DetrTransformerDecoderLayer',
                attn_cfgs=dict(type='MultiheadAttention', embed_dims=32, num_heads=4,
                               attn_drop=0.0, proj_drop=0.0, dropout_layer=None,
                               batch_first=False),
                ffn_cfgs=dict(embed_dims=32, feedforward_channels=64, num_fcs=2,
                              act_cfg=dict(type='ReLU', inplace=True), ffn_drop=0.0,
                              dropout_layer=None, add_identity=True),
                feedforward_channels=64,
                operation_order=('cross_attn', 'norm', 'self_attn', 'norm', 'ffn', 'norm')),
            init_cfg=None),
        loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=2.0,
                      reduction='mean', class_weight=[1.0] * num_classes + [0.1]),
        loss_mask=dict(type='CrossEntropyLoss', use_sigmoid=True, reduction='mean',
                       loss_weight=5.0),
        loss_dice=dict(type='DiceLoss', use_sigmoid=True, activate=True, reduction='mean',
                       naive_dice=True, eps=1.0, loss_weight=5.0)),
    panoptic_fusion_head=dict(
        type='MaskFormerFusionHead', num_things_classes=num_things_classes,
        num_stuff_classes=num_stuff_classes, loss_panoptic=None, init_cfg=None),
    train_cfg=dict(
        num_points=64, oversample_ratio=3.0, importance_sample_ratio=0.75,
        assigner=dict(
            type='MaskHungarianAssigner',
            cls_cost=dict(type='ClassificationCost', weight=2.0),
            mask_cost=dict(type='CrossEntropyLossCost', weight=5.0, use_sigmoid=True),
            dice_cost=dict(type='DiceCost', weight=5.0, pred_act=True, eps=1.0)),
        sampler=dict(type='MaskPseudoSampler')),
    test_cfg=dict(panoptic_on=False, semantic_on=False, instance_on=True, max_per_image=10,
                  iou_thr=0.8, filter_low_score=True),
    init_cfg=None)
"""


DET_MODELS = {
    "faster_rcnn": _rcnn("FasterRCNN", "", _PROPOSALS),
    "faster_rcnn_apart": _rcnn("FasterRCNN", "", _OLD_PROPOSALS, apart=True),
    "mask_rcnn": _rcnn("MaskRCNN", _MASK_HEAD, _PROPOSALS),
    "retinanet": _ONE_STAGE,
    "yolox": _YOLOX,
    "detr": _DETR,
    "mask2former": _MASK2FORMER,
}
