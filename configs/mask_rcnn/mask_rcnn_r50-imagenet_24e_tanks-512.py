"""Mask R-CNN with ResNet-50-FPN from ImageNet on oil storage tanks, in three stages, for a GPU.

Not yet trained. Give the weights with --pretrained FILE.
"""

_base_ = [
    "../_base_/mask_rcnn_r50-imagenet.py",
    "../_base_/tanks_val_loss.py",
    "../_base_/three_stages.py",
]
