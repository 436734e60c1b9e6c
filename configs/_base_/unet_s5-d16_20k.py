"""The full U-Net (64 base channels, 29 M parameters) for 20,000 steps on a GPU."""

_base_ = ["unet_s5-d16.py", "schedule_20k.py", "default_runtime.py"]
default_hooks = dict(checkpoint=dict(interval=1000))
