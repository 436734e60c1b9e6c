"""Mask2Former R50 of its authors on instances of Cityscapes.

Mask AP 37.4 on Cityscapes val, as Mask2Former's MODEL_ZOO.md states it.
"""

_base_ = ["mask2former_r50_coco_instance.py"]
num_classes = 8
data_root = "data/cityscapes/"
annotations = "annotations/instancesonly_filtered_gtFine_{}.json"

model = dict(
    panoptic_head=dict(
        num_things_classes=num_classes, loss_cls=dict(class_weight=[1.0] * num_classes + [0.1])
    ),
    panoptic_fusion_head=dict(num_things_classes=num_classes),
)

test_pipeline = [
    dict(type="LoadImageFromFile", to_float32=True),
    dict(type="Resize", scale=(2048, 1024), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]
train_dataloader = dict(
    dataset=dict(
        type="CityscapesDataset",
        data_root=data_root,
        ann_file=annotations.format("train"),
        data_prefix=dict(img="leftImg8bit/train/"),
    )
)
val_dataloader = dict(
    dataset=dict(
        type="CityscapesDataset",
        data_root=data_root,
        ann_file=annotations.format("val"),
        data_prefix=dict(img="leftImg8bit/val/"),
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + annotations.format("val"))
test_evaluator = val_evaluator
