"""TIFFs of any number of bands, as `zoo data prepare BandFolderDataset` writes them, at their size.

Bands, statistics, classes and colours come from the prepared folder: train with --data.
"""

dataset_type = "zoo.folder_data.BandFolderDataset"
data_root = "data/bands"
crop_size = (512, 512)  # px, height and width; smaller images are padded

# Only flips and crops: they move every band alike and invent no values.
train_pipeline = [
    dict(type="zoo.folder_data.LoadBands", bands=None),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=[0.25, 0.25], direction=["horizontal", "vertical"]),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.folder_data.LoadBands", bands=None),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="splits/train.txt",
        data_prefix=dict(img_path="images", seg_map_path="masks"),
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
        ann_file="splits/val.txt",
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        pipeline=test_pipeline,
    ),
)
val_loss_dataloader = dict(
    batch_size=4,  # as in training, because the Dice loss sums over a batch
    num_workers=0,  # starting a worker takes longer than loading the few images
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file="splits/val.txt",
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader["dataset"], ann_file="splits/test.txt")
)
val_evaluator = dict(type="zoo.segmentation_metrics.DiceMetric")
test_evaluator = val_evaluator
