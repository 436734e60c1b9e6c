"""UPerNet with Swin-T on ADE20K: upstream's config without ImageNet weights."""

_base_ = ["mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py"]
model = dict(backbone=dict(init_cfg=None))
