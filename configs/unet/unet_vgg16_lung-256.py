"""VGG-16 U-Net from scratch on lung X-rays at 256x256, for a CPU.

Results: docs/results.md.
"""

_base_ = [
    "../_base_/unet_vgg16.py",
    "../_base_/lung_xray_256.py",
    "../_base_/schedule_250.py",
    "../_base_/default_runtime.py",
]
default_hooks = dict(checkpoint=dict(interval=50))
