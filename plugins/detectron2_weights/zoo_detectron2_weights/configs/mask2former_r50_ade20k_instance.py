"""Mask2Former R50 of its authors on instances of ADE20K, 100 classes.

Mask AP 26.4 on ADE20K val, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mask2former_r50_coco_instance.py"]
num_classes = 100
data_root = "data/ADEChallengeData2016/"

model = dict(
    panoptic_head=dict(
        num_things_classes=num_classes, loss_cls=dict(class_weight=[1.0] * num_classes + [0.1])
    ),
    panoptic_fusion_head=dict(num_things_classes=num_classes),
)

test_pipeline = [
    dict(type="LoadImageFromFile", to_float32=True),
    dict(type="Resize", scale=(2560, 640), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    dataset=dict(
        type="ADE20KInstanceDataset",
        data_root=data_root,
        ann_file="ade20k_instance_train.json",
        data_prefix=dict(img="images/training"),
    )
)
val_dataloader = dict(
    dataset=dict(
        type="ADE20KInstanceDataset",
        data_root=data_root,
        ann_file="ade20k_instance_val.json",
        data_prefix=dict(img="images/validation"),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + "ade20k_instance_val.json")
test_evaluator = val_evaluator
