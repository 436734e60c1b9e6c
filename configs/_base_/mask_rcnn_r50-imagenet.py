"""Mask R-CNN on ResNet-50-FPN from ImageNet weights that the user names, batch norm frozen.

`--pretrained FILE` with the ResNet-50 of torchvision or timm (a state dict whose names begin with
conv1, bn1, layer1).
"""

_base_ = ["mask_rcnn_fpn.py"]

model = dict(
    backbone=dict(
        norm_cfg=dict(requires_grad=False),
        init_cfg=dict(checkpoint="user://resnet50"),
    ),
)
