# SPDX-License-Identifier: Apache-2.0
"""Architectures that names of models and configs tell, for the filter of the list."""

from __future__ import annotations

import re

__all__ = ["architectures_of"]

# What it is called -> how names spell it, where words are parted by single hyphens.
_SPELLINGS = {
    "BEiT": "beit",
    "Cascade R-CNN": "cascade(-mask)?-r?cnn",
    "ConvNeXt": "convnext",
    "DeepLab": "deeplab(v3(plus)?)?",
    "DenseNet": "densenet[0-9]*",
    "DETR": "(deformable-)?detr",
    "DPT": "dpt",
    "EfficientNet": "efficientnet",
    "Faster R-CNN": "faster-r?cnn",
    "FCN": "fcn",
    "HRNet": "hr(net)?(v2)?(-w)?(18|32|40|48)?|hrnet(v2)?",
    "Mask R-CNN": "mask-r?cnn",
    "Mask2Former": "mask2former",
    "MaskFormer": "maskformer",
    "MobileNet": "mobilenet",
    "PSPNet": "pspnet",
    "RegNet": "regnet[xy]?",
    "ResNeSt": "resnest[0-9]*|s(50|101|200)",
    "ResNet": "resnet[0-9]*|r(18|34|50|101|152)",
    "ResNeXt": "resnext[0-9]*|x(50|101|152)",
    "RetinaNet": "retinanet",
    "RTMDet": "rtmdet",
    "SegFormer": "segformer|mit",
    "SegNet": "segnet",
    "SOLO": "(decoupled-)?solo(v2)?",
    "Swin": "swin",
    "U-Net": "u-?net",
    "UPerNet": "upernet",
    "VGG": "vgg[0-9]*",
    "ViT": "vit",
    "YOLACT": "yolact",
    "YOLO": "yolo(v?[0-9]+|x|f)?",
}
_FORMS = {name: re.compile(rf"(?:^|-)(?:{form})(?:-|$)") for name, form in _SPELLINGS.items()}
_MOST_CHARACTERS = 300


def architectures_of(*names: str) -> tuple[str, ...]:
    """Return the architectures that the names of a model and of its config tell, sorted.

    No manifest states an architecture, so this reads what authors wrote into their names.

    Args:
        names: Such as ``mask_rcnn_r50_fpn_coco``.

    Example:
        >>> architectures_of("d2_mask_rcnn_r50_fpn_3x_coco"), architectures_of("mystery")
        (('Mask R-CNN', 'ResNet'), ())
    """
    plain = [
        re.sub("[^a-z0-9]+", "-", name[:_MOST_CHARACTERS].lower()).strip("-") for name in names
    ]
    return tuple(name for name, form in _FORMS.items() if any(map(form.search, plain)))
