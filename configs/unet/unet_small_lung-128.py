"""As unet_small_lung-512 at 128x128 with a short schedule, for `make demo`."""

_base_ = ["unet_small_lung-512.py"]
crop_size = (128, 128)  # px
max_iters = 300
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(strides=(1, 1, 1, 1, 1)))
train_pipeline = dict(
    _edit_=True,
    Resize=dict(scale=crop_size),
    RandomRotate=[dict(type="RandomFlip", prob=0.5)],
    RandomCrop=None,
)
test_pipeline = dict(_edit_=True, Resize=dict(scale=crop_size))
val_loss_dataloader = dict(
    dataset=dict(
        pipeline=dict(
            _edit_=True, Resize=dict(scale=crop_size), PackSegInputs={{_base_.test_pack}}
        ),
    )
)
param_scheduler = dict(_edit_=True, PolyLR=dict(end=max_iters))
train_cfg = dict(max_iters=max_iters, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
