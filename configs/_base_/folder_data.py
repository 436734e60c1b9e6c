"""Your own images and masks at 512x512, as `zoo data prepare folder_data` writes them.

Classes and colours come from the prepared folder: train with --data.
"""

_base_ = ["lung_xray_val_loss.py"]
image_size = (512, 512)  # px, width and height
crop_size = (448, 448)  # px, height and width
dataset_type = "zoo.folder_data.FolderDataset"
data_root = "data/folder_data"

train_pipeline = [
    dict(type="zoo.folder_data.LoadImage"),
    dict(type="LoadAnnotations"),
    dict(type="Resize", scale=image_size, keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomRotate", prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type="RandomResize", scale=image_size, ratio_range=(0.85, 1.2), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.folder_data.LoadImage"),
    dict(type="Resize", scale=image_size, keep_ratio=False),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
val_loss_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pipeline=[test_pipeline[step] for step in (0, 2, 1, 3)],
    )
)
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=test_pipeline))
