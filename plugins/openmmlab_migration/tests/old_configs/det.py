# SPDX-License-Identifier: Apache-2.0
"""Configs of mmdet 2.x."""

from __future__ import annotations

import random

from .det_models import DET_MODELS
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

_WITH_MASKS = ("mask_rcnn", "mask2former")

_DET_DATA = {
    "coco": ("CocoDataset", "data/coco/", 80, ""),
    "custom_coco": ("CocoDataset", "pictures/", 1, "classes=('square', ), "),
    "cityscapes": ("CityscapesDataset", "data/cityscapes/", 8, ""),
    "lvis": ("LVISV1Dataset", "data/lvis_v1/", 1203, ""),
}

_DET_RESIZES = {
    "fixed": "dict(type='Resize', img_scale=(96, 64), keep_ratio=True),",
    "range": "dict(type='Resize', img_scale=[(96, 64), (96, 48)], multiscale_mode='range', "
    "keep_ratio=True),",
    "value": "dict(type='Resize', img_scale=[(96, 64), (96, 48), (96, 32)], "
    "multiscale_mode='value', keep_ratio=True),",
    "jitter": "dict(type='Resize', img_scale=(64, 64), ratio_range=(0.8, 1.25), "
    "multiscale_mode='range', keep_ratio=True),\n    dict(type='RandomCrop', crop_size=(48, 64)),",
    "auto": "dict(type='AutoAugment', policies=[[dict(type='Resize', img_scale=[(64, 96), "
    "(48, 96)], multiscale_mode='value', keep_ratio=True)], [dict(type='Resize', "
    "img_scale=[(96, 64)], multiscale_mode='value', keep_ratio=True), dict(type='Shear', "
    "level=4, prob=0.5)]]),",
    "colours": "dict(type='PhotoMetricDistortion', brightness_delta=32),\n"
    "    dict(type='Expand', mean=img_norm_cfg['mean'], to_rgb=img_norm_cfg['to_rgb'], "
    "ratio_range=(1, 2)),\n    dict(type='MinIoURandomCrop', min_ious=(0.4, 0.6), "
    "min_crop_size=0.3),\n    dict(type='Resize', img_scale=(64, 64), keep_ratio=False),",
}

_DET_DATA_TEXT = """dataset_type = 'TYPE'
data_root = 'ROOT'
NORMtrain_pipeline = [
    dict(type='LoadImageFromFile', to_float32=True),
    dict(type='LoadAnnotations', with_bbox=True, with_mask=MASKS),
    RESIZE
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Normalize', **img_norm_cfg),
    PAD
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels']),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='MultiScaleFlipAug',
        img_scale=(96, 64),
        flip=False,
        transforms=[
            dict(type='Resize', keep_ratio=True),
            dict(type='RandomFlip'),
            dict(type='Normalize', **img_norm_cfg),
            dict(type='Pad', size_divisor=32),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ])
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=0,
    train=TRAIN,
    val=dict(type=dataset_type, ann_file=data_root + 'val.json',
             MOREimg_prefix=data_root + 'images/',
             pipeline=test_pipeline),
    test=dict(type=dataset_type, ann_file=data_root + 'val.json',
              MOREimg_prefix=data_root + 'images/',
              pipeline=test_pipeline))
"""
_COCO_LEAF = (
    "dict(type=dataset_type, ann_file=data_root + 'train.json', MOREimg_prefix=data_root + "
    "'images/', pipeline=train_pipeline)"
)
_DET_TRAINS = {
    "single": _COCO_LEAF,
    "repeated": f"dict(type='RepeatDataset', times=3, dataset={_COCO_LEAF})",
    "two_files": _COCO_LEAF.replace(
        "ann_file=data_root + 'train.json'", "ann_file=[data_root + 'train.json'] * 2"
    ).replace("img_prefix=data_root + 'images/'", "img_prefix=[data_root + 'images/'] * 2"),
    "balanced": f"dict(type='ClassBalancedDataset', oversample_thr=1e-3, dataset={_COCO_LEAF})",
    "joined": f"dict(type='ConcatDataset', datasets=[{_COCO_LEAF}, {_COCO_LEAF}])",
}
_YOLOX_STEPS = """    dict(type='Mosaic', img_scale=(64, 64), pad_val=114.0),
    dict(type='RandomAffine', scaling_ratio_range=(0.5, 1.5), border=(-32, -32)),
    dict(type='MixUp', img_scale=(64, 64), ratio_range=(0.8, 1.6), pad_val=114.0),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='RandomFlip', flip_ratio=0.5),
    dict(type='Resize', img_scale=(64, 64), keep_ratio=True),
    dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0))),
    dict(type='FilterAnnotations', min_gt_bbox_wh=(1, 1), keep_empty=False),
    dict(type='DefaultFormatBundle'),
    dict(type='Collect', keys=['img', 'gt_bboxes', 'gt_labels']),
"""
_MIXED = (
    "dict(type='MultiImageMixDataset', dataset=dict(type=dataset_type, "
    "ann_file=data_root + 'train.json', MOREimg_prefix=data_root + 'images/', "
    "pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)], "
    "filter_empty_gt=False), pipeline=train_pipeline)"
)


def draw_det(name: str, draw: random.Random, number: int) -> OldText:
    model = list(DET_MODELS)[number % len(DET_MODELS)]
    data = draw.choice(list(_DET_DATA))
    kind, root, classes, more = _DET_DATA[data]
    resize, train = draw.choice(list(_DET_RESIZES)), draw.choice(list(_DET_TRAINS))
    runner, optimizer = draw.choice(list(RUNNERS)), draw.choice(list(OPTIMIZERS))
    schedule = draw.choice(["step_warm", "step_constant", "cosine", "fixed"])
    habit = list(HABITS)[number % len(HABITS)]
    text = _DET_DATA_TEXT
    if model == "yolox":
        start, end = text.index("train_pipeline = [\n"), text.index("]\ntest_pipeline")
        text = text[:start] + "train_pipeline = [\n" + _YOLOX_STEPS + text[end:]
        text = text.replace("            dict(type='Normalize', **img_norm_cfg),\n", "")
        resize, train = "fixed", "mixed"
    text = text.replace("TRAIN", {**_DET_TRAINS, "mixed": _MIXED}[train]).replace("MORE", more)
    text = text.replace("NORM", CAFFE if draw.random() < 0.3 else NORM)
    masks = model in _WITH_MASKS
    pad = "dict(type='Pad', size=(64, 96))," if model == "mask2former" else ""
    text = text.replace("PAD", pad or "dict(type='Pad', size_divisor=32),")
    text = text.replace("TYPE", kind).replace("ROOT", root).replace("MASKS", str(masks))
    text = text.replace("RESIZE", _DET_RESIZES[resize])
    if masks:
        text = text.replace("'gt_labels']", "'gt_labels', 'gt_masks']")
    metric = "['bbox', 'segm']" if masks else "'bbox'"
    ends = [
        RUNTIME,
        OPTIMIZERS[optimizer],
        SCHEDULES[schedule],
        RUNNERS[runner],
        HABITS[habit],
    ]
    parts = [
        DET_MODELS[model].replace("CLASSES", str(classes)),
        text,
        "".join(ends).replace("METRIC", metric),
    ]
    traits = (model, data, resize, train, runner, schedule, optimizer, habit)
    has_bases = draw.random() < 0.3 and model not in ("faster_rcnn_apart", "mask2former")
    return in_files(name, "mmdet", parts, has_bases, traits)
