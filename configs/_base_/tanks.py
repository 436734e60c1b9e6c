"""Tiles with tanks, as `zoo data prepare oil_storage` writes them, in crops for training."""

dataset_type = "zoo.oil_storage.OilStorageDataset"
data_root = "data/oil_storage"
crop_size = (512, 512)  # px, width and height
zoom = 1.0  # input pixels of the network per image pixel
tiling = dict(tile_px=512, overlap_px=128)  # windows of `zoo predict`, in px of the scene

train_pipeline = [
    dict(type="LoadImageFromFile"),
    # As outlines, boxes and masks stay exact under rotation.
    dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations"),
    # Aerial views have no upright, and satellites differ in pixel size.
    dict(
        type="zoo.segmentation_transforms.RandomInstanceCrop",
        size=crop_size,
        degree=180,
        scale=(zoom / 1.6, zoom * 1.6),
    ),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale_factor=zoom, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),  # for drawing: the evaluator reads masks itself
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/train.json",
        data_prefix=dict(img="images"),
        filter_cfg=dict(filter_empty_gt=False),  # images without tanks show what is not a tank
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="annotations/val.json",
        data_prefix=dict(img="images"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader["dataset"], ann_file="annotations/test.json")
)
val_evaluator = dict(
    type="zoo.instance_metrics.CocoMetric",
    ann_file=f"{data_root}/annotations/val.json",
    metric=["bbox", "segm"],
    # Sides of squares with a tank's area, 0.89 of its diameter; COCO's small size ends at 32 px.
    sizes={
        "under12px": (0, 12),
        "12to24px": (12, 24),
        "24to48px": (24, 48),
        "over48px": (48, None),
    },
)
test_evaluator = dict(val_evaluator, ann_file=f"{data_root}/annotations/test.json")
