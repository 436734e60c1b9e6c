"""U-Net of 1.8 M parameters on your own images and masks, for a CPU; train with --data."""

_base_ = [
    "../_base_/unet_small.py",
    "../_base_/semantic_512.py",
    "../_base_/schedule_1200.py",
    "../_base_/default_runtime.py",
]
