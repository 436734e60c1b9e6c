# SPDX-License-Identifier: Apache-2.0
"""Wide ResNets as a backbone, which mmseg and mmdet lack."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmseg.models.backbones.resnet import Bottleneck, ResNet

__all__ = ["WideResNet"]


class _WideBottleneck(Bottleneck):  # type: ignore[misc]  # mmseg is not typed here
    """A bottleneck whose inner convolutions have twice the channels."""

    def __init__(self, inplanes: int, planes: int, **settings: Any) -> None:
        super().__init__(inplanes, planes, **settings)
        width = 2 * planes
        for number, (channels, out, side) in enumerate(
            ((inplanes, width, 1), (width, width, 3), (width, planes * self.expansion, 1)), 1
        ):
            stride = {1: self.conv1_stride, 2: self.conv2_stride}.get(number, 1)
            dilation = self.dilation if side == 3 else 1
            convolution = build_conv_layer(
                self.conv_cfg,
                channels,
                out,
                kernel_size=side,
                stride=stride,
                padding=dilation * (side // 2),
                dilation=dilation,
                bias=False,
            )
            name, norm = build_norm_layer(self.norm_cfg, out, postfix=number)
            setattr(self, f"conv{number}", convolution)
            setattr(self, name, norm)


class WideResNet(ResNet):  # type: ignore[misc]  # mmseg is not typed here
    """mmseg's ResNet with bottlenecks twice as wide inside: Wide ResNet-50-2 and 101-2.

    Maps have the channels of a ResNet: 256, 512, 1024 and 2048. It fits models of mmseg and mmdet.

    Args:
        settings: Those of mmseg's ``ResNet`` except ``dcn`` and ``plugins``; ``depth`` is 50 or
            101.

    Source:
        Zagoruyko & Komodakis 2016, arXiv:1605.07146, as in torchvision 0.28.0.
    """

    arch_settings = {  # noqa: RUF012  mmseg's own name
        50: (_WideBottleneck, (3, 4, 6, 3)),
        101: (_WideBottleneck, (3, 4, 23, 3)),
    }
