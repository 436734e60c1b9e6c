"""The U-Net of 2015 (31 M parameters), 572 px to 388, on lung X-rays, for a GPU; not yet trained.

X-rays are scaled to 388 px and mirror-padded by 92 px, so that every pixel is used in training.
"""

_base_ = ["unet_original-s16_lung-260.py"]
image_size = (388, 388)  # px, width and height
max_iters = 5000
model = dict(
    data_preprocessor=dict(size=(572, 572)),
    backbone=dict(base_channels=64),
    decode_head=dict(in_channels=64, channels=64),
)
train_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="LoadAnnotations"),
    dict(
        type="zoo.segmentation_transforms.RandomAffine",
        size=image_size,
        degree=10,
        scale=(0.9, 1.15),
        aspect=1.1,
        shift=0.05,
    ),
    dict(type="PhotoMetricDistortion", hue_delta=1, saturation_range=(1.0, 1.0)),
    dict(type="zoo.vgg_unet.MirrorPad", margin_px=92),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="Resize", scale=image_size, keep_ratio=False, interpolation="area"),
    dict(type="LoadAnnotations"),
    {{_base_.test_pack}},
]
train_dataloader = dict(batch_size=8, num_workers=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
val_loss_dataloader = dict(
    batch_size=8,
    dataset=dict(
        pipeline=[
            test_pipeline[0],
            test_pipeline[2],
            test_pipeline[1],
            dict(type="zoo.vgg_unet.MirrorPad", margin_px=92),
            test_pipeline[3],
        ]
    ),
)
test_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=200),
    dict(type="PolyLR", power=0.9, eta_min=1e-6, by_epoch=False, begin=200, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500))
