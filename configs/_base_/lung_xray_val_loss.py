"""As lung_xray, with the loss on the val images in addition to Dice, for the curves.

Labels are loaded before resizing and nothing is augmented, so val/loss is comparable to the
training loss except for crops, rotations and grey values. A config of another image size defines
its own pipeline. Each measurement costs about as much as the validation itself.
"""

_base_ = ["lung_xray.py"]

val_loss_dataloader = dict(
    batch_size=4,  # as in training, because the Dice loss sums over a batch
    num_workers=0,  # starting a worker takes longer than loading the few images
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
