# SPDX-License-Identifier: Apache-2.0
"""torchvision's ResNets, ResNeXts and Wide ResNets: what their state dicts contain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zoo_torchvision_weights.layout import Layout, convolution, norm

__all__ = ["RESNETS", "ResNet", "resnet_layout"]


@dataclass(frozen=True, slots=True)
class ResNet:
    """One architecture of the family.

    Attributes:
        blocks: Number of blocks of each stage.
        has_bottlenecks: Whether a block has three convolutions, and four times the channels out.
        groups: Groups of the 3x3 convolutions.
        group_channels: Channels of a group in the first stage.
    """

    blocks: tuple[int, int, int, int]
    has_bottlenecks: bool = True
    groups: int = 1
    group_channels: int = 64


# Source: the constructors in torchvision/models/resnet.py of torchvision 0.28.0.
RESNETS = {
    "resnet18": ResNet((2, 2, 2, 2), has_bottlenecks=False),
    "resnet34": ResNet((3, 4, 6, 3), has_bottlenecks=False),
    "resnet50": ResNet((3, 4, 6, 3)),
    "resnet101": ResNet((3, 4, 23, 3)),
    "resnet152": ResNet((3, 8, 36, 3)),
    "resnext50_32x4d": ResNet((3, 4, 6, 3), groups=32, group_channels=4),
    "resnext101_32x8d": ResNet((3, 4, 23, 3), groups=32, group_channels=8),
    "resnext101_64x4d": ResNet((3, 4, 23, 3), groups=64, group_channels=4),
    "wide_resnet50_2": ResNet((3, 4, 6, 3), group_channels=128),
    "wide_resnet101_2": ResNet((3, 4, 23, 3), group_channels=128),
}


def resnet_layout(name: str) -> Layout:
    """Return the tensors of a network without its classifier, under torchvision's names.

    Args:
        name: A key of `RESNETS`. mmseg and mmdet use the same names.
    """
    net = RESNETS[name]
    layout = {**convolution("conv1", 3, 64, 7, has_bias=False), **norm("bn1", 64)}
    channels = 64
    for stage, count in enumerate(net.blocks):
        planes = 64 * 2**stage
        out = planes * (4 if net.has_bottlenecks else 1)
        for block in range(count):
            key = f"layer{stage + 1}.{block}"
            for number, inner in enumerate(_convolutions(net, channels, planes, out), 1):
                channels_in, channels_out, side = inner
                layout |= convolution(
                    f"{key}.conv{number}", channels_in, channels_out, side, has_bias=False
                )
                layout |= norm(f"{key}.bn{number}", channels_out)
            if block == 0 and (stage > 0 or channels != out):
                layout |= convolution(f"{key}.downsample.0", channels, out, 1, has_bias=False)
                layout |= norm(f"{key}.downsample.1", out)
            channels = out
    return layout


def _convolutions(
    net: ResNet, channels: int, planes: int, out: int
) -> Iterator[tuple[int, int, int]]:
    """Yield input channels of a group, output channels and side of a block's convolutions."""
    if not net.has_bottlenecks:
        yield from ((channels, planes, 3), (planes, planes, 3))
        return
    width = planes * net.group_channels // 64 * net.groups
    yield from ((channels, width, 1), (width // net.groups, width, 3), (width, out, 1))
