# SPDX-License-Identifier: Apache-2.0
"""Configs of mmseg 0.x."""

from __future__ import annotations

import random

from .shared import (
    CAFFE,
    HABITS,
    NORM,
    OPTIMIZERS,
    RUNNERS,
    RUNTIME,
    SCHEDULES,
    OldText,
    in_files,
)

_SEG_MODELS = {
    "fcn_unet": """norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='UNet', in_channels=3, base_channels=8, num_stages=5, strides=(1, 1, 1, 1, 1),
        enc_num_convs=(2, 2, 2, 2, 2), dec_num_convs=(2, 2, 2, 2),
        downsamples=(True, True, True, True), enc_dilations=(1, 1, 1, 1, 1),
        dec_dilations=(1, 1, 1, 1), with_cp=False, conv_cfg=None, norm_cfg=norm_cfg,
        act_cfg=dict(type='ReLU'), upsample_cfg=dict(type='InterpConv'), norm_eval=False),
    decode_head=dict(
        type='FCNHead', in_channels=8, in_index=4, channels=8, num_convs=1, concat_input=False,
        dropout_ratio=0.1, num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(),
    test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(42, 42)))
""",
    "pspnet": """norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(
        type='ResNetV1c', depth=18, num_stages=4, out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=norm_cfg, norm_eval=False,
        style='pytorch', contract_dilation=True),
    decode_head=dict(
        type='PSPHead', in_channels=512, in_index=3, channels=16, pool_scales=(1, 2, 3, 6),
        dropout_ratio=0.1, num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    auxiliary_head=dict(
        type='FCNHead', in_channels=256, in_index=2, channels=16, num_convs=1, concat_input=False,
        dropout_ratio=0.1, num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
""",
    "upernet_swin": """norm_cfg = dict(type='BN', requires_grad=True)
backbone_norm_cfg = dict(type='LN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='SwinTransformer', pretrain_img_size=64, embed_dims=16, patch_size=4, window_size=4,
        mlp_ratio=4, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], strides=(4, 2, 2, 2),
        out_indices=(0, 1, 2, 3), qkv_bias=True, qk_scale=None, patch_norm=True, drop_rate=0.,
        attn_drop_rate=0., drop_path_rate=0.1, use_abs_pos_embed=False, act_cfg=dict(type='GELU'),
        norm_cfg=backbone_norm_cfg),
    decode_head=dict(
        type='UPerHead', in_channels=[16, 32, 64, 128], in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6), channels=16, dropout_ratio=0.1, num_classes=CLASSES,
        norm_cfg=norm_cfg, align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
""",
    "segformer": """norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='MixVisionTransformer', in_channels=3, embed_dims=8, num_stages=4,
        num_layers=[1, 1, 1, 1], num_heads=[1, 2, 5, 8], patch_sizes=[7, 3, 3, 3],
        sr_ratios=[8, 4, 2, 1], out_indices=(0, 1, 2, 3), mlp_ratio=4, qkv_bias=True,
        drop_rate=0.0, attn_drop_rate=0.0, drop_path_rate=0.1),
    decode_head=dict(
        type='SegformerHead', in_channels=[8, 16, 40, 64], in_index=[0, 1, 2, 3], channels=16,
        dropout_ratio=0.1, num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_name='loss_ce', loss_weight=1.0),
            dict(type='DiceLoss', loss_name='loss_dice', loss_weight=3.0)]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
""",
    "ocrnet": """norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='CascadeEncoderDecoder',
    num_stages=2,
    pretrained=None,
    backbone=dict(
        type='ResNetV1c', depth=18, num_stages=4, out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=norm_cfg, norm_eval=False),
    decode_head=[
        dict(
            type='FCNHead', in_channels=256, in_index=2, channels=16, num_convs=1,
            concat_input=False, num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=0.4)),
        dict(
            type='OCRHead', in_channels=512, in_index=3, channels=16, ocr_channels=16,
            num_classes=CLASSES, norm_cfg=norm_cfg, align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    ],
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
""",
    "upernet_vit": """norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    pretrained=None,
    backbone=dict(
        type='VisionTransformer', img_size=(64, 64), patch_size=16, in_channels=3, embed_dims=32,
        num_layers=4, num_heads=4, mlp_ratio=4, out_indices=(0, 1, 2, 3), qkv_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6), act_cfg=dict(type='GELU'), norm_eval=False,
        interpolate_mode='bicubic'),
    neck=dict(type='MultiLevelNeck', in_channels=[32, 32, 32, 32], out_channels=32,
              scales=[4, 2, 1, 0.5]),
    decode_head=dict(
        type='UPerHead', in_channels=[32, 32, 32, 32], in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6), channels=16, num_classes=CLASSES, norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))
""",
}

# Type, folder, classes, further arguments.
_SEG_DATA = {
    "cityscapes": ("CityscapesDataset", "data/cityscapes/", 19, ""),
    "ade20k": ("ADE20KDataset", "data/ade/ADEChallengeData2016", 150, ""),
    "voc": ("PascalVOCDataset", "data/VOCdevkit/VOC2012", 21, "split='ImageSets/SPLIT.txt', "),
    "drive": ("DRIVEDataset", "data/DRIVE", 2, ""),
    "loveda": ("LoveDADataset", "data/loveDA", 7, ""),
    "custom": (
        "CustomDataset",
        "pictures",
        2,
        "classes=('background', 'square'), palette=[[0, 0, 0], [255, 0, 0]], "
        "img_suffix='.png', seg_map_suffix='.png', ",
    ),
}

_SEG_RESIZES = {
    "ratio": "dict(type='Resize', img_scale=(96, 64), ratio_range=(0.5, 2.0)),",
    "range": "dict(type='Resize', img_scale=[(96, 64), (160, 96)], keep_ratio=True),",
    "value": "dict(type='Resize', img_scale=[(96, 64), (96, 96)], multiscale_mode='value'),",
    "fixed": "dict(type='Resize', img_scale=(64, 64), keep_ratio=False),",
}

_SEG_DATA_TEXT = """dataset_type = 'TYPE'
data_root = 'ROOT'
NORMcrop_size = (64, 64)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'REDUCED),
    RESIZE
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', FLIP=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='Normalize', **img_norm_cfg),
    dict(type='Pad', size=crop_size, pad_val=0, seg_pad_val=255),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_semantic_seg']),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(96, 64),
        TTA
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ])
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=0,
    train=TRAIN,
    val=dict(
        type=dataset_type, data_root=data_root, img_dir='images', ann_dir='masks', MOREVAL
        pipeline=test_pipeline),
    test=dict(
        type=dataset_type, data_root=data_root, img_dir='images', ann_dir='masks', MOREVAL
        pipeline=test_pipeline))
"""

_SEG_TRAINS = {
    "single": (
        "dict(type=dataset_type, data_root=data_root, img_dir='images', ann_dir='masks', MORE"
        "pipeline=train_pipeline)"
    ),
    "repeated": (
        "dict(type='RepeatDataset', times=4, dataset=dict(type=dataset_type, "
        "data_root=data_root, img_dir='images', ann_dir='masks', MOREpipeline=train_pipeline))"
    ),
    "two_folders": (
        "dict(type=dataset_type, data_root=data_root, img_dir=['images', 'images'], "
        "ann_dir=['masks', 'masks'], MOREpipeline=train_pipeline)"
    ),
    "list": (
        "[dict(type=dataset_type, data_root=data_root, img_dir='images', ann_dir='masks', MORE"
        "pipeline=train_pipeline)] * 2"
    ),
}


def draw_seg(name: str, draw: random.Random, number: int) -> OldText:
    model = list(_SEG_MODELS)[number % len(_SEG_MODELS)]
    data = list(_SEG_DATA)[draw.randrange(len(_SEG_DATA))]
    kind, root, classes, more = _SEG_DATA[data]
    resize, train = draw.choice(list(_SEG_RESIZES)), draw.choice(list(_SEG_TRAINS))
    runner, optimizer = draw.choice(list(RUNNERS)), draw.choice(list(OPTIMIZERS))
    schedule = draw.choice(["poly", "poly_warm", "cosine", "fixed", "step_warm"])
    habit, tta = list(HABITS)[number % len(HABITS)], draw.random() < 0.3
    text = _SEG_DATA_TEXT.replace("TRAIN", _SEG_TRAINS[train])
    text = text.replace("MOREVAL", more.replace("SPLIT", "val"))
    text = text.replace("MORE", more.replace("SPLIT", "train"))
    text = text.replace("NORM", draw.choice([NORM, NORM, CAFFE]))
    text = text.replace("TYPE", kind).replace("ROOT", root).replace("RESIZE", _SEG_RESIZES[resize])
    text = text.replace("REDUCED", ", reduce_zero_label=True" if data == "ade20k" else "")
    text = text.replace("FLIP", draw.choice(["prob", "prob", "flip_ratio"]))
    text = text.replace(
        "TTA", "img_ratios=[0.5, 1.0],\n        flip=True," if tta else "flip=False,"
    )
    metric = draw.choice(["'mIoU'", "['mIoU', 'mDice']"])
    ends = [
        RUNTIME,
        OPTIMIZERS[optimizer],
        SCHEDULES[schedule],
        RUNNERS[runner],
        HABITS[habit],
    ]
    schedule_text = "".join(ends).replace("METRIC", metric)
    parts = [_SEG_MODELS[model].replace("CLASSES", str(classes)), text, schedule_text]
    traits = (model, data, resize, train, runner, schedule, optimizer, habit)
    return in_files(name, "mmseg", parts, draw.random() < 0.3, traits)
