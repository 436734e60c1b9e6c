"""The full U-Net (64 base channels, 29 M parameters) for 20,000 steps on a GPU."""

_base_ = ["unet_small.py", "schedule_1200.py", "default_runtime.py"]
max_iters = 20000
model = dict(
    backbone=dict(base_channels=64, strides=(1, 1, 1, 1, 1)),
    decode_head=dict(in_channels=64, channels=64),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=500),
    dict(type="PolyLR", power=0.9, eta_min=1e-5, by_epoch=False, begin=500, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
