"""As lung_xray, and the loss on the images of val beside their Dice, for the curves.

Labels are loaded before anything is resized and nothing is augmented, so val/loss compares with
the loss of training but for its crops, turns and grey values. A config of another image size names
its own pipeline. Each measurement costs about what the validation beside it costs.
"""

_base_ = ["lung_xray.py"]

val_loss_dataloader = dict(
    batch_size=4,  # that of training: the Dice loss sums over a batch
    num_workers=0,  # few images, and starting a worker takes longer than loading them
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type={{_base_.dataset_type}},
        data_root={{_base_.data_root}},
        ann_file="splits/val.txt",
        data_prefix=dict(img_path="images", seg_map_path="masks"),
        pipeline=[
            dict(type="zoo.lung_xray.LoadXray"),
            dict(type="LoadAnnotations"),
            dict(type="Resize", scale={{_base_.image_size}}, keep_ratio=False),
            dict(type="PackSegInputs"),
        ],
    ),
)
