"""Chest X-rays with lung masks at 256x256; predictions are evaluated at the size of the files."""

_base_ = ["lung_xray_val_loss.py"]
image_size = (256, 256)  # px, width and height

train_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="LoadAnnotations"),
    dict(
        type="zoo.segmentation_transforms.RandomAffine",
        size=image_size,
        degree=10,
        scale=(0.9, 1.15),
        aspect=1.1,
        shift=0.05,
    ),
    dict(type="PhotoMetricDistortion", hue_delta=1, saturation_range=(1.0, 1.0)),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="Resize", scale=image_size, keep_ratio=False, interpolation="area"),
    dict(type="LoadAnnotations"),
    {{_base_.test_pack}},
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_loss_dataloader = dict(dataset=dict(pipeline=[test_pipeline[step] for step in (0, 2, 1, 3)]))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
