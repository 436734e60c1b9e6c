"""As tanks, with the loss on the val tiles in addition to AP.

Labels are loaded before resizing and nothing is augmented, so val/loss is comparable to the
training loss except for crops, rotations and colours. It includes tiles without tanks, as in
training. Each measurement costs about as much as the validation itself.
"""

_base_ = ["tanks.py"]

val_loss_dataloader = dict(
    batch_size=1,
    num_workers=0,  # starting a worker takes longer than loading the few images
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type={{_base_.dataset_type}},
        data_root={{_base_.data_root}},
        ann_file="annotations/val.json",
        data_prefix=dict(img="images"),
        filter_cfg=dict(filter_empty_gt=False),
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations"),
            dict(type="Resize", scale_factor={{_base_.zoom}}, keep_ratio=True),
            dict(type="PackDetInputs"),
        ],
    ),
)
