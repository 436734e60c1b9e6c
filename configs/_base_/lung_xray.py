"""Chest X-rays with lung masks at 512x512, as `zoo data prepare lung_xray` writes them."""

image_size = (512, 512)  # px, width and height
crop_size = (448, 448)  # px, height and width
dataset_type = "zoo.lung_xray.LungXrayDataset"
data_root = "data/lung_xray"

train_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="LoadAnnotations"),
    dict(type="Resize", scale=image_size, keep_ratio=False),
    # Patients are rarely rotated by more than this; pixels from outside the image are ignored.
    dict(type="RandomRotate", prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    # No flips, because the heart is on the left. No scaling, because OpenCV's nearest neighbour
    # would shift the labels by half a pixel against the image.
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="PhotoMetricDistortion", hue_delta=1, saturation_range=(1.0, 1.0)),
    dict(type="PackSegInputs"),
]
# The last step of every test pipeline: mmseg's own keys, and those of metrics in mm for images
# from DICOM. Configs of other sizes reuse it.
test_pack = dict(
    type="PackSegInputs",
    meta_keys=(
        "img_path",
        "seg_map_path",
        "ori_shape",
        "img_shape",
        "pad_shape",
        "scale_factor",
        "flip",
        "flip_direction",
        "reduce_zero_label",
        "spacing_mm",
    ),
)
# Labels are loaded after Resize, so predictions are evaluated at the size of the files.
test_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="Resize", scale=image_size, keep_ratio=False),
    dict(type="LoadAnnotations"),
    test_pack,
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
test_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader["dataset"], ann_file="splits/test.txt")
)
val_evaluator = dict(type="zoo.segmentation_metrics.DiceMetric")
test_evaluator = val_evaluator
