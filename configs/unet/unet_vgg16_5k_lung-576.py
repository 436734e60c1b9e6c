"""VGG-16 U-Net as keras-segmentation's vgg_unet, at 576x576, for a GPU; not yet trained.

From scratch, so the encoder also has batch norm. For ImageNet weights, which you download:
--cfg-options model.backbone.encoder.init_cfg.type=Pretrained
model.backbone.encoder.init_cfg.checkpoint=FILE (torchvision's vgg16_bn; its vgg16 and Keras' .h5
also need model.backbone.encoder.norm_cfg=None). Five epochs of 215 images: max_iters 135.
"""

_base_ = [
    "../_base_/unet_vgg16.py",
    "../_base_/lung_xray_256.py",
    "../_base_/schedule_250.py",
    "../_base_/default_runtime.py",
]
image_size = (576, 576)  # px, width and height
max_iters = 5000
model = dict(
    data_preprocessor=dict(size=image_size),
    backbone=dict(
        # Its fifth block is not used; one convolution per stage.
        encoder=dict(num_blocks=4),
        bridge_channels=512,
        decoder_channels=(256, 128, 64),
        num_convs=1,
        upsample="nearest",
    ),
    decode_head=dict(in_channels=64, channels=64, num_convs=0, concat_input=False),
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
    batch_size=8, dataset=dict(pipeline=[test_pipeline[step] for step in (0, 2, 1, 3)])
)
test_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="PolyLR", power=0.9, eta_min=1e-5, by_epoch=False, begin=50, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500))
