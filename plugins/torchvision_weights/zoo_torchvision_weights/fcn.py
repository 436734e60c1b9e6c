# SPDX-License-Identifier: Apache-2.0
"""torchvision's FCN with a ResNet of output stride 8, as mmseg's ``EncoderDecoder``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from zoo.conversion import Rule, rename
from zoo_torchvision_weights.layout import (
    Layout,
    check_layout,
    convolution,
    norm,
    under,
    with_counters,
)
from zoo_torchvision_weights.resnet import resnet_layout

__all__ = ["fcn_resnet50", "fcn_resnet101"]

NUM_CLASSES = 21
_TO_MMSEG = (
    Rule(r"(backbone\..+)", r"\1"),
    *(
        Rule(rf"{theirs}\.{number}\.(.+)", rf"{ours}.{part}.\1")
        for theirs, ours in (("classifier", "decode_head"), ("aux_classifier", "auxiliary_head"))
        for number, part in ((0, "convs.0.conv"), (1, "convs.0.bn"), (4, "conv_seg"))
    ),
)


def _convert(state_dict: Mapping[str, Tensor], /, *, backbone: str) -> dict[str, Tensor]:
    """Return the tensors of the config that the weights row names.

    Args:
        state_dict: torchvision's network with its auxiliary classifier, for 21 classes.
        backbone: Name of its ResNet.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    what = f"torchvision's fcn_{backbone}"
    check_layout(state_dict, _layout(backbone), what=what)
    return with_counters(rename(state_dict, _TO_MMSEG, what=what))


def _layout(backbone: str) -> Layout:
    layout = under("backbone.", resnet_layout(backbone))
    for head, channels in (("classifier", 2048), ("aux_classifier", 1024)):
        inner = channels // 4
        layout |= convolution(f"{head}.0", channels, inner, 3, has_bias=False)
        layout |= norm(f"{head}.1", inner)
        layout |= convolution(f"{head}.4", inner, NUM_CLASSES, 1)
    return layout


fcn_resnet50 = partial(_convert, backbone="resnet50")
fcn_resnet101 = partial(_convert, backbone="resnet101")
