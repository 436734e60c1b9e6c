# SPDX-License-Identifier: Apache-2.0
"""torchvision's Mask R-CNN with ResNet-50 and FPN, versions 1 and 2, as mmdet's ``MaskRCNN``.

Classes: torchvision has a channel for each category id of COCO, 0 to 90, of which 80 are in use.
Boxes and masks keep those of the 80; the classifier keeps all 91, because its softmax does.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from zoo.conversion import Rule, rename
from zoo_torchvision_weights.categories import COCO_IDS, NUM_CHANNELS
from zoo_torchvision_weights.layout import (
    Layout,
    check_layout,
    convolution,
    linear,
    norm,
    under,
    with_counters,
)
from zoo_torchvision_weights.resnet import resnet_layout

__all__ = ["convert_v1", "convert_v2", "layout_v1", "layout_v2"]

V1 = "torchvision's maskrcnn_resnet50_fpn"
V2 = "torchvision's maskrcnn_resnet50_fpn_v2"
_LEVELS = (256, 512, 1024, 2048)
_KEPT = list(COCO_IDS)

# The file of version 1 is of 2019. torchvision renamed these layers since, and reads both.
_MODERN = (
    Rule(r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)", r"\1.0.\2"),
    Rule(r"rpn\.head\.conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    *(
        Rule(
            rf"roi_heads\.mask_head\.mask_fcn{n + 1}\.(weight|bias)",
            rf"roi_heads.mask_head.{n}.0.\1",
        )
        for n in range(4)
    ),
    Rule(r"(.+)", r"\1"),
)
_TO_MMDET = (
    Rule(r"backbone\.body\.(.+)", r"backbone.\1"),
    Rule(r"backbone\.fpn\.inner_blocks\.(\d)\.0\.(.+)", r"neck.lateral_convs.\1.conv.\2"),
    Rule(r"backbone\.fpn\.inner_blocks\.(\d)\.1\.(.+)", r"neck.lateral_convs.\1.bn.\2"),
    Rule(r"backbone\.fpn\.layer_blocks\.(\d)\.0\.(.+)", r"neck.fpn_convs.\1.conv.\2"),
    Rule(r"backbone\.fpn\.layer_blocks\.(\d)\.1\.(.+)", r"neck.fpn_convs.\1.bn.\2"),
    Rule(r"rpn\.head\.cls_logits\.(.+)", r"rpn_head.rpn_cls.\1"),
    Rule(r"rpn\.head\.bbox_pred\.(.+)", r"rpn_head.rpn_reg.\1"),
    Rule(r"roi_heads\.box_head\.fc6\.(.+)", r"roi_head.bbox_head.shared_fcs.0.\1"),
    Rule(r"roi_heads\.box_head\.fc7\.(.+)", r"roi_head.bbox_head.shared_fcs.1.\1"),
    Rule(r"roi_heads\.box_head\.5\.(.+)", r"roi_head.bbox_head.shared_fcs.0.\1"),
    Rule(r"roi_heads\.box_head\.(\d)\.0\.(.+)", r"roi_head.bbox_head.shared_convs.\1.conv.\2"),
    Rule(r"roi_heads\.box_head\.(\d)\.1\.(.+)", r"roi_head.bbox_head.shared_convs.\1.bn.\2"),
    Rule(r"roi_heads\.box_predictor\.cls_score\.(.+)", r"roi_head.bbox_head.fc_cls.\1"),
    Rule(r"roi_heads\.box_predictor\.bbox_pred\.(.+)", r"roi_head.bbox_head.fc_reg.\1"),
    Rule(r"roi_heads\.mask_head\.(\d)\.0\.(.+)", r"roi_head.mask_head.convs.\1.conv.\2"),
    Rule(r"roi_heads\.mask_head\.(\d)\.1\.(.+)", r"roi_head.mask_head.convs.\1.bn.\2"),
    Rule(r"roi_heads\.mask_predictor\.conv5_mask\.(.+)", r"roi_head.mask_head.upsample.\1"),
    Rule(r"roi_heads\.mask_predictor\.mask_fcn_logits\.(.+)", r"roi_head.mask_head.conv_logits.\1"),
)
# mmdet's RPN with one convolution is that convolution; with more it is a list of them.
_RPN_V1 = Rule(r"rpn\.head\.conv\.0\.0\.(.+)", r"rpn_head.rpn_conv.\1")
_RPN_V2 = Rule(r"rpn\.head\.conv\.(\d)\.0\.(.+)", r"rpn_head.rpn_conv.\1.conv.\2")


def convert_v1(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the config ``tv_mask_rcnn_r50_fpn_coco``.

    Args:
        state_dict: torchvision's ``maskrcnn_resnet50_fpn``, as its files or its code name it.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    modern = rename(state_dict, _MODERN, what=V1)
    check_layout(modern, layout_v1(), what=V1)
    return _to_mmdet(modern, (*_TO_MMDET, _RPN_V1), what=V1)


def convert_v2(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the config ``tv_mask_rcnn_r50_fpn_v2_coco``.

    Args:
        state_dict: torchvision's ``maskrcnn_resnet50_fpn_v2``.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    check_layout(state_dict, layout_v2(), what=V2)
    return _to_mmdet(state_dict, (*_TO_MMDET, _RPN_V2), what=V2)


def _to_mmdet(
    state_dict: Mapping[str, Tensor], rules: tuple[Rule, ...], *, what: str
) -> dict[str, Tensor]:
    tensors = rename(state_dict, rules, what=what)
    for name in ("weight", "bias"):
        boxes = tensors[f"roi_head.bbox_head.fc_reg.{name}"]
        by_category = boxes.unflatten(0, (NUM_CHANNELS, 4))
        tensors[f"roi_head.bbox_head.fc_reg.{name}"] = by_category[_KEPT].flatten(0, 1)
        masks = tensors[f"roi_head.mask_head.conv_logits.{name}"]
        tensors[f"roi_head.mask_head.conv_logits.{name}"] = masks[_KEPT]
    return with_counters(tensors)


def layout_v1() -> Layout:
    """Return the tensors of version 1 without counters, by the names of torchvision 0.28."""
    layout = _common_layout(rpn_convolutions=1)
    for level, channels in enumerate(_LEVELS):
        layout |= convolution(f"backbone.fpn.inner_blocks.{level}.0", channels, 256, 1)
        layout |= convolution(f"backbone.fpn.layer_blocks.{level}.0", 256, 256, 3)
    layout |= linear("roi_heads.box_head.fc6", 256 * 7 * 7, 1024)
    layout |= linear("roi_heads.box_head.fc7", 1024, 1024)
    for number in range(4):
        layout |= convolution(f"roi_heads.mask_head.{number}.0", 256, 256, 3)
    return layout


def layout_v2() -> Layout:
    """Return the tensors of version 2 without counters."""
    layout = _common_layout(rpn_convolutions=2)
    for level, channels in enumerate(_LEVELS):
        layout |= _normalised(f"backbone.fpn.inner_blocks.{level}", channels, 1)
        layout |= _normalised(f"backbone.fpn.layer_blocks.{level}", 256, 3)
    for number in range(4):
        layout |= _normalised(f"roi_heads.box_head.{number}", 256, 3)
        layout |= _normalised(f"roi_heads.mask_head.{number}", 256, 3)
    return layout | linear("roi_heads.box_head.5", 256 * 7 * 7, 1024)


def _normalised(key: str, channels_in: int, side: int) -> Layout:
    return {
        **convolution(f"{key}.0", channels_in, 256, side, has_bias=False),
        **norm(f"{key}.1", 256),
    }


def _common_layout(*, rpn_convolutions: int) -> Layout:
    layout = under("backbone.body.", resnet_layout("resnet50"))
    for number in range(rpn_convolutions):
        layout |= convolution(f"rpn.head.conv.{number}.0", 256, 256, 3)
    layout |= convolution("rpn.head.cls_logits", 256, 3, 1)
    layout |= convolution("rpn.head.bbox_pred", 256, 12, 1)
    layout |= linear("roi_heads.box_predictor.cls_score", 1024, NUM_CHANNELS)
    layout |= linear("roi_heads.box_predictor.bbox_pred", 1024, 4 * NUM_CHANNELS)
    layout |= convolution("roi_heads.mask_predictor.conv5_mask", 256, 256, 2)
    layout |= convolution("roi_heads.mask_predictor.mask_fcn_logits", 256, NUM_CHANNELS, 1)
    return layout
