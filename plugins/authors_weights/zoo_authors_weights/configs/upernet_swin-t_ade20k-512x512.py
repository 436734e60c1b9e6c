"""UPerNet with Swin-T, trained by the authors of Swin: upstream's config without ImageNet weights.

mIoU 44.51 on ADE20K val, one scale, as the README of their fork states it.
"""

_base_ = ["mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py"]
model = dict(backbone=dict(init_cfg=None))
