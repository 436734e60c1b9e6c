"""torchvision's FCN with ResNet-101, for the 20 classes of Pascal VOC and the background.

Published: mIoU 63.7 % on COCO val2017 with VOC's labels (torchvision 0.28.0); not measured with
zoo. Trained on images of COCO.
"""

_base_ = ["fcn_r50_coco-voc.py"]

model = dict(backbone=dict(depth=101))
