"""As tanks, in crops of 384x384 enlarged by half, for a CPU; locates small tanks more exactly."""

_base_ = ["tanks_val_loss.py"]
crop_size = (384, 384)  # px, width and height
zoom = 1.5  # input pixels of the network per image pixel

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations"),
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
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    sampler=dict(type="InfiniteSampler", shuffle=True), dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_loss_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations"),
            dict(type="Resize", scale_factor=zoom, keep_ratio=True),
            dict(type="PackDetInputs"),
        ]
    )
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
