"""Your own images and masks at 512x512, as `zoo data prepare folder_data` writes them.

Classes and colours come from the prepared folder: train with --data.
"""

_base_ = ["lung_xray_val_loss.py"]
dataset_type = "zoo.folder_data.FolderDataset"
data_root = "data/folder_data"

train_pipeline = dict(
    _edit_=True,
    LoadXray=dict(type="zoo.folder_data.LoadImage"),
    RandomRotate=dict(
        _before_=dict(type="RandomFlip", prob=0.5),
        _after_=dict(
            type="RandomResize",
            scale={{_base_.image_size}},
            ratio_range=(0.85, 1.2),
            keep_ratio=True,
        ),
    ),
    PhotoMetricDistortion=dict(_delete_=True, type="PhotoMetricDistortion"),
)
test_pipeline = dict(
    _edit_=True,
    LoadXray=dict(type="zoo.folder_data.LoadImage"),
    PackSegInputs=dict(_delete_=True, type="PackSegInputs"),
)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_loss_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pipeline=dict(_edit_=True, LoadXray=dict(type="zoo.folder_data.LoadImage")),
    )
)
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
