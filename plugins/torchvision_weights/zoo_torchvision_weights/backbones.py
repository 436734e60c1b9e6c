# SPDX-License-Identifier: Apache-2.0
"""torchvision's ImageNet classifiers as backbones: the classifier is checked and left out.

ResNets, ResNeXts and Wide ResNets keep their names in mmseg and mmdet, VGGs in mmcv. A converter
takes one architecture only, so that a file of another depth is refused instead of loaded in part.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from zoo_torchvision_weights.layout import (
    Layout,
    check_layout,
    convolution,
    linear,
    norm,
    with_counters,
)
from zoo_torchvision_weights.resnet import RESNETS, resnet_layout

__all__ = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

NUM_CLASSES = 1000
# Convolutions of the five stages. Source: torchvision/models/vgg.py of torchvision 0.28.0.
_VGGS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _convert_resnet(state_dict: Mapping[str, Tensor], /, *, name: str) -> dict[str, Tensor]:
    """Return the tensors of a ResNet without its classifier, under the same names.

    Args:
        state_dict: torchvision's network for 1000 classes.
        name: A key of `RESNETS`.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    channels = 2048 if RESNETS[name].has_bottlenecks else 512
    return _without(state_dict, resnet_layout(name), linear("fc", channels, NUM_CLASSES), name)


def _convert_vgg(
    state_dict: Mapping[str, Tensor], /, *, depth: int, has_norms: bool
) -> dict[str, Tensor]:
    """Return the tensors of a VGG without its classifier, under the same names.

    Args:
        state_dict: torchvision's network for 1000 classes.
        depth: 11, 13, 16 or 19.
        has_norms: Whether it has batch norms.

    Raises:
        ConversionError: It is of another architecture, or has another number of classes.
    """
    classifier = {
        **linear("classifier.0", 512 * 7 * 7, 4096),
        **linear("classifier.3", 4096, 4096),
        **linear("classifier.6", 4096, NUM_CLASSES),
    }
    name = f"vgg{depth}_bn" if has_norms else f"vgg{depth}"
    return _without(state_dict, _vgg_layout(depth, has_norms=has_norms), classifier, name)


def _without(
    state_dict: Mapping[str, Tensor], backbone: Layout, classifier: Layout, name: str
) -> dict[str, Tensor]:
    check_layout(state_dict, backbone | classifier, what=f"torchvision's {name}")
    kept = {key: one for key, one in state_dict.items() if key not in classifier}
    return with_counters(kept)


def _vgg_layout(depth: int, *, has_norms: bool) -> Layout:
    layout: Layout = {}
    index, channels = 0, 3
    for stage, count in enumerate(_VGGS[depth]):
        out = min(64 * 2**stage, 512)
        for _ in range(count):
            layout |= convolution(f"features.{index}", channels, out, 3)
            if has_norms:
                layout |= norm(f"features.{index + 1}", out)
            index += 3 if has_norms else 2  # the last of them is the activation
            channels = out
        index += 1  # the pooling
    return layout


resnet18 = partial(_convert_resnet, name="resnet18")
resnet34 = partial(_convert_resnet, name="resnet34")
resnet50 = partial(_convert_resnet, name="resnet50")
resnet101 = partial(_convert_resnet, name="resnet101")
resnet152 = partial(_convert_resnet, name="resnet152")
resnext50_32x4d = partial(_convert_resnet, name="resnext50_32x4d")
resnext101_32x8d = partial(_convert_resnet, name="resnext101_32x8d")
resnext101_64x4d = partial(_convert_resnet, name="resnext101_64x4d")
wide_resnet50_2 = partial(_convert_resnet, name="wide_resnet50_2")
wide_resnet101_2 = partial(_convert_resnet, name="wide_resnet101_2")
vgg11 = partial(_convert_vgg, depth=11, has_norms=False)
vgg13 = partial(_convert_vgg, depth=13, has_norms=False)
vgg16 = partial(_convert_vgg, depth=16, has_norms=False)
vgg19 = partial(_convert_vgg, depth=19, has_norms=False)
vgg11_bn = partial(_convert_vgg, depth=11, has_norms=True)
vgg13_bn = partial(_convert_vgg, depth=13, has_norms=True)
vgg16_bn = partial(_convert_vgg, depth=16, has_norms=True)
vgg19_bn = partial(_convert_vgg, depth=19, has_norms=True)
