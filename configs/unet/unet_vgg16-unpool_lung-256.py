"""As unet_vgg16_lung-256, up-sampled by max-unpooling; not yet trained."""

_base_ = ["unet_vgg16_lung-256.py"]
model = dict(backbone=dict(upsample="unpool"))
