"""As unet_vgg16_lung-256, up-sampled by the nearest neighbour; not yet trained."""

_base_ = ["unet_vgg16_lung-256.py"]
model = dict(backbone=dict(upsample="nearest"))
