# SPDX-License-Identifier: Apache-2.0
"""The original U-Net of 2015, with valid convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from zoo.errors import DataError

__all__ = ["OriginalUNet", "crop_centre"]

_INIT = (
    # A standard deviation of sqrt(2 / incoming weights), as in section 3 of the paper.
    {"type": "Kaiming", "layer": ["Conv2d", "ConvTranspose2d"], "mode": "fan_in"},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class OriginalUNet(BaseModule):
    """The U-Net of 2015 as a backbone, with valid convolutions and a smaller output.

    At depth 4 an image of 572 px gives 388: each side loses ``margin_px`` = 92 px. Sizes are
    ``188 + 16 k`` px. Train it with ``CroppedFCNHead``, on images with a margin
    (``MirrorPad``); ``TiledEncoderDecoder`` predicts images of any size.

    Args:
        in_channels: Channels of the images; 1 in the paper.
        base_channels: Channels of the first level, doubled at each level; 64 in the paper.
        depth: Number of poolings; 4 in the paper.
        dropout: Share of values dropped at the two coarsest levels of the contracting path.
        norm_cfg: Norm layer after each convolution; None as in the paper.
        init_cfg: Initialisation of mmengine; that of the paper by default.

    Attributes:
        stride_px: Step between valid image sizes, ``2 ** depth``.
        margin_px: Margin that the output lacks on each side.
        least_px: Smallest side of an image.

    Source:
        Ronneberger, Fischer, Brox 2015, arXiv:1505.04597, figure 1 and section 3. The places of
        dropout are from the authors' released network.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        base_channels: int = 64,
        depth: int = 4,
        dropout: float = 0.5,
        norm_cfg: Mapping[str, Any] | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg if init_cfg is not None else [dict(one) for one in _INIT])
        self.stride_px = 2**depth
        self.margin_px = 6 * self.stride_px - 4
        self.least_px = 2 * self.margin_px + 4
        norm = None if norm_cfg is None else dict(norm_cfg)
        widths = [base_channels * 2**level for level in range(depth + 1)]
        self.encoder, self.ups, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            dropped = dropout if level >= depth - 1 else 0.0
            self.encoder.append(_two_convolutions(in_channels, width, norm, dropped))
            in_channels = width
        for width in reversed(widths[:-1]):
            self.ups.append(nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.decoder.append(_two_convolutions(2 * width, width, norm, 0.0))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the map of each level of the expanding path, coarsest first.

        Args:
            x: ``(N, in_channels, H, W)``.

        Returns:
            For 572x572 px, maps of 28, 52, 100, 196 and 388 px.

        Raises:
            DataError: The size is not divisible by two at each level.
        """
        self._check_size(x.shape[-2:])
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        outputs = [skips.pop()]
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = up(outputs[-1])
            skip = crop_centre(skips.pop(), (x.shape[-2], x.shape[-1]))
            outputs.append(block(torch.cat([skip, x], dim=1)))
        return tuple(outputs)

    def _check_size(self, size: Sequence[int]) -> None:
        if all(px >= self.least_px and (px - self.least_px) % self.stride_px == 0 for px in size):
            return
        nearest = [
            max(0, round((px - self.least_px) / self.stride_px)) * self.stride_px + self.least_px
            for px in size
        ]
        message = (
            f"cannot run OriginalUNet on {size[1]}x{size[0]} px: expected sides of at least "
            f"{self.least_px} px, and more by steps of {self.stride_px} px."
        )
        hint = f"train on {nearest[1]}x{nearest[0]} px; TiledEncoderDecoder predicts any size."
        raise DataError(message, hint=hint)


def _two_convolutions(before: int, after: int, norm_cfg: Any, dropout: float) -> nn.Sequential:
    block = nn.Sequential(
        ConvModule(before, after, 3, norm_cfg=norm_cfg),
        ConvModule(after, after, 3, norm_cfg=norm_cfg),
    )
    if dropout:
        block.append(nn.Dropout(dropout))
    return block


def crop_centre(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the centre of the last two axes.

    Args:
        x: ``(..., H, W)``.
        size: Height and width of the result.

    Raises:
        DataError: ``x`` is smaller, or the margin is odd.
    """
    over = [have - want for have, want in zip(x.shape[-2:], size, strict=True)]
    if any(px < 0 or px % 2 for px in over):
        message = (
            f"cannot crop {x.shape[-1]}x{x.shape[-2]} px to its middle {size[1]}x{size[0]} px: "
            "expected an equal margin on both sides."
        )
        raise DataError(message, hint="give labels of the images' size.")
    top, left = over[0] // 2, over[1] // 2
    return x[..., top : top + size[0], left : left + size[1]]
