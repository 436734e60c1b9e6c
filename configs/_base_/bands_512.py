"""TIFFs of any number of bands, as `zoo data prepare BandFolderDataset` writes them, at their size.

Bands, statistics, classes and colours come from the prepared folder: train with --data.
"""

_base_ = ["lung_xray_val_loss.py"]
dataset_type = "zoo.folder_data.BandFolderDataset"
data_root = "data/bands"
image_size = None  # that of each file
crop_size = (512, 512)  # px, height and width; smaller images are padded

# Only flips and crops: they move every band alike and invent no values.
train_pipeline = dict(
    _edit_=True,
    LoadXray=dict(_delete_=True, type="zoo.folder_data.LoadBands", bands=None),
    Resize=None,
    RandomRotate=None,
    RandomCrop=dict(
        crop_size=crop_size,
        _after_=dict(type="RandomFlip", prob=[0.25, 0.25], direction=["horizontal", "vertical"]),
    ),
    PhotoMetricDistortion=None,
)
test_pipeline = dict(
    _edit_=True,
    LoadXray=dict(_delete_=True, type="zoo.folder_data.LoadBands", bands=None),
    Resize=None,
    PackSegInputs=dict(_delete_=True, type="PackSegInputs"),
)
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_loss_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        pipeline=dict(
            _edit_=True,
            LoadXray=dict(_delete_=True, type="zoo.folder_data.LoadBands", bands=None),
            Resize=None,
        ),
    )
)
test_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
