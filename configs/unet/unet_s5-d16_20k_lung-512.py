"""The full U-Net (64 base channels, 29 M parameters) on lung X-rays at 512x512, for a GPU.

Not yet trained.
"""

_base_ = ["unet_small_lung-256.py"]
crop_size = (512, 512)  # px
max_iters = 20000
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(base_channels=64),
    decode_head=dict(in_channels=64, channels=64),
)
train_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="LoadAnnotations"),
    dict(type="Resize", scale=crop_size, keep_ratio=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="RandomRotate", prob=0.5, degree=10, pad_val=0, seg_pad_val=255),
    dict(type="RandomResize", scale=crop_size, ratio_range=(0.85, 1.2), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="PhotoMetricDistortion", hue_delta=1, saturation_range=(1.0, 1.0)),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="Resize", scale=crop_size, keep_ratio=False),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(batch_size=8, num_workers=8, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=500),
    dict(type="PolyLR", power=0.9, eta_min=1e-5, by_epoch=False, begin=500, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
