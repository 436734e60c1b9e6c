# SPDX-License-Identifier: Apache-2.0
"""A tiny network on drone tiles; not for use, but it trains in seconds on a CPU."""

default_scope = "mmseg"
env_cfg = dict(mp_cfg=dict(mp_start_method="spawn", opencv_num_threads=0))
train_pipeline = [
    dict(type="zoo.crops.LoadTile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="zoo.crops.RandomShade"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.crops.LoadTile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
dataset = dict(
    type="zoo.crops.CropsDataset",
    data_root="prepared",
    data_prefix=dict(img_path="images", seg_map_path="masks"),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(**dataset, ann_file="splits/train.txt", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**dataset, ann_file="splits/val.txt", pipeline=test_pipeline),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**dataset, ann_file="splits/test.txt", pipeline=test_pipeline),
)
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"], prefix="val")
test_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.5, 127.5, 127.5],
        std=[60.0, 60.0, 60.0],
        bgr_to_rgb=True,
        size=(48, 48),  # px
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type="zoo.crops.TinyBackbone", channels=16),
    decode_head=dict(
        type="FCNHead",
        in_channels=16,
        channels=16,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=4,
        norm_cfg=dict(type="BN"),
        loss_decode=[
            dict(type="CrossEntropyLoss", loss_name="loss_ce"),
            dict(type="zoo.crops.FocalLoss"),
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-2))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=30, val_interval=15)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=5, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=15, max_keep_ckpts=1),
)
custom_hooks = [dict(type="zoo.crops.CountImages")]
log_processor = dict(by_epoch=False)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="SegLocalVisualizer", vis_backends=vis_backends, name="visualizer")
randomness = dict(seed=0)
