"""The full U-Net: 64 base channels, 29 M parameters."""

_base_ = ["unet_small.py"]
model = dict(
    backbone=dict(base_channels=64, strides=(1, 1, 1, 1, 1)),
    decode_head=dict(in_channels=64, channels=64),
)
