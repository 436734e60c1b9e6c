"""As tanks, and the loss of the tiles for validation beside their AP.

Labels are loaded before anything is resized and nothing is augmented, so val/loss compares with
the loss of training but for its crops, turns and colours. Tiles without tanks are in it, as in
training. Each measurement costs about what the validation beside it costs.
"""

_base_ = ["tanks.py"]

val_loss_dataloader = dict(
    batch_size=1,
    num_workers=0,  # few images, and starting a worker takes longer than loading them
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
