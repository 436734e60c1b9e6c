"""The U-Net of 2015 with 16 base channels, 444 px to 260, for a CPU; not yet trained.

X-rays are scaled to 260 px and mirror-padded by 92 px, so that every pixel is used in training.
"""

_base_ = [
    "../_base_/unet_original.py",
    "../_base_/lung_xray_256.py",
    "../_base_/schedule_250.py",
    "../_base_/default_runtime.py",
]
image_size = (260, 260)  # px, width and height
model = dict(
    data_preprocessor=dict(size=(444, 444)),
    backbone=dict(base_channels=16),
    decode_head=dict(in_channels=16, channels=16),
)
train_pipeline = dict(
    _edit_=True,
    RandomAffine=dict(size=image_size),
    PackSegInputs=dict(_before_=dict(type="zoo.vgg_unet.MirrorPad", margin_px=92)),
)
test_pipeline = dict(_edit_=True, Resize=dict(scale=image_size))
val_loss_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            _edit_=True,
            Resize=dict(scale=image_size),
            PackSegInputs=dict(_before_=dict(type="zoo.vgg_unet.MirrorPad", margin_px=92)),
        )
    )
)
default_hooks = dict(checkpoint=dict(interval=50))
# Keeps the schedule's rate of 1e-3: without norm layers, the network learns almost nothing in 100
# steps at 3e-4.
