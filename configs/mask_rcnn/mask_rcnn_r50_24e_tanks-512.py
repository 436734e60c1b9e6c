"""Mask R-CNN with ResNet-50-FPN from scratch on oil storage tanks at 512x512, for a GPU.

Not yet trained.
"""

_base_ = [
    "../_base_/mask_rcnn_r50.py",
    "../_base_/tanks_val_loss.py",
    "../_base_/default_runtime_det_epochs.py",
    "../_base_/schedule_det_24e.py",
]
