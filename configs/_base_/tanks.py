"""Tiles with tanks, as `zoo data prepare oil_storage` writes them, in crops for training."""

dataset_type = "zoo.oil_storage.OilStorageDataset"
data_root = "data/oil_storage"
crop_size = (512, 512)  # px, width and height
zoom = 1.0  # pixels of the network's input for one of the image
tiling = dict(tile_px=512, overlap_px=128)  # how `zoo predict` sees a whole scene, in its own px

train_pipeline = [
    dict(type="LoadImageFromFile"),
    # Outlines as numbers: boxes and masks stay exact when they are turned.
    dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations"),
    # From above there is no upright, and satellites differ in their pixel's size.
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
    dict(type="LoadAnnotations", with_bbox=True),  # for pictures: masks are read by the evaluator
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
        filter_cfg=dict(filter_empty_gt=False),  # those without tanks teach what is none
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
    # Sides of squares of a tank's area, 0.89 of its diameter: COCO's smallest size ends at 32 px.
    sizes={
        "under12px": (0, 12),
        "12to24px": (12, 24),
        "24to48px": (24, 48),
        "over48px": (48, None),
    },
)
test_evaluator = dict(val_evaluator, ann_file=f"{data_root}/annotations/test.json")
