"""Tiles with tanks, as `zoo data prepare oil_storage` writes them, in crops for training."""

dataset_type = "zoo.oil_storage.OilStorageDataset"
data_root = "data/oil_storage"
crop_size = (512, 512)  # px, width and height
zoom = 1.0  # pixels of the network's input for one of the image

train_pipeline = [
    dict(type="LoadImageFromFile"),
    # Outlines as numbers: boxes and masks stay exact when they are turned.
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
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
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True, poly2mask=False),
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
        filter_cfg=dict(filter_empty_gt=True),
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
