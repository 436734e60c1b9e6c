"""UPerNet with Swin-L on ADE20K: upstream's config without ImageNet weights."""

_base_ = [
    "mmseg::swin/swin-large-patch4-window12-in22k-384x384-pre_upernet_8xb2-160k_ade20k-512x512.py"
]
model = dict(backbone=dict(init_cfg=None))
