"""As unet_vgg16_lung-256, up-sampled by bicubic interpolation. Results: docs/results.md."""

_base_ = ["unet_vgg16_lung-256.py"]
model = dict(backbone=dict(upsample="bicubic"))
