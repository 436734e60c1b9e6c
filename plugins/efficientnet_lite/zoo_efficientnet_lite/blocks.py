# SPDX-License-Identifier: Apache-2.0
"""The building blocks of EfficientNet-Lite."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["InvertedResidual", "SameConv2d", "make_norm"]


class SameConv2d(nn.Conv2d):
    """A convolution without bias, with TensorFlow's ``SAME`` padding.

    The output has ``ceil(size / stride)`` px, and the larger half of an odd number of zeros is at
    the bottom and right. ``padding=kernel // 2`` would put it at the top and left: at even sizes,
    all windows of stride 2 would be off by one pixel.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_px: Side of the kernel, odd.
        stride: Stride.
        groups: Number of channel groups; ``in_channels`` for a depthwise convolution.

    Source:
        ``tf.nn`` documentation, "notes on padding".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_px: int,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        # At stride 1 an odd kernel's padding is symmetric, at every size.
        padding = kernel_px // 2 if stride == 1 else 0
        super().__init__(
            in_channels, out_channels, kernel_px, stride, padding, groups=groups, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out, ceil(H / stride), ceil(W / stride))``.

        Args:
            x: ``(N, in, H, W)``.
        """
        if self.stride[0] > 1:
            top, bottom = self._zeros(x.shape[-2])
            left, right = self._zeros(x.shape[-1])
            x = functional.pad(x, (left, right, top, bottom))
        return super().forward(x)

    def _zeros(self, size_px: int) -> tuple[int, int]:
        """Return the number of zeros before and after an axis."""
        kernel_px, stride = self.kernel_size[0], self.stride[0]
        windows = -(-size_px // stride)
        zeros = max((windows - 1) * stride + kernel_px - size_px, 0)
        return zeros // 2, zeros - zeros // 2


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, and project without activation.

    The input is added if it has the output's shape.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_px: Side of the depthwise kernel, odd.
        stride: Step of the depthwise convolution.
        expand_ratio: Expansion of the channels; 1 omits the first convolution.
        drop_rate: Probability that an image skips the block in training; only if the input is
            added.

    Source:
        Sandler et al. 2018, arXiv:1801.04381; stochastic depth: Huang et al. 2016,
        arXiv:1603.09382.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_px: int,
        stride: int,
        expand_ratio: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        width = in_channels * expand_ratio
        self.drop_rate = drop_rate
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.expand: nn.Module = nn.Identity()
        if expand_ratio != 1:
            self.expand = nn.Sequential(
                SameConv2d(in_channels, width, 1), make_norm(width), nn.ReLU6(inplace=True)
            )
        self.depthwise = nn.Sequential(
            SameConv2d(width, width, kernel_px, stride=stride, groups=width),
            make_norm(width),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(SameConv2d(width, out_channels, 1), make_norm(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(N, out, ceil(H / stride), ceil(W / stride))``.

        Args:
            x: ``(N, in, H, W)``.
        """
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        if not self.has_shortcut:
            return y
        return x + self._dropped(y)

    def _dropped(self, y: Tensor) -> Tensor:
        """Set some of the images to zero and scale the others, so that the mean stays."""
        if not self.training or self.drop_rate == 0:
            return y
        kept = 1 - self.drop_rate
        return y * (torch.rand(len(y), 1, 1, 1, device=y.device) < kept).to(y.dtype).div(kept)


def make_norm(channels: int) -> nn.BatchNorm2d:
    """Return a batch norm with the constants of TensorFlow's EfficientNet (momentum 0.99).

    Args:
        channels: Number of channels.
    """
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
