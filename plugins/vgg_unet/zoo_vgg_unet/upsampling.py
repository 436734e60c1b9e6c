# SPDX-License-Identifier: Apache-2.0
"""Five up-sampling methods with one interface."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ConfigError
from zoo_vgg_unet.vgg import Pooled

__all__ = ["UPSAMPLINGS", "Upsampling", "build_upsampling"]

Size = tuple[int, int]


class Upsampling(nn.Module):
    """A layer called as ``layer(x, size, pooled)``.

    Attributes:
        out_channels: Channels of the output.
    """

    out_channels: int

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        """Return ``x``, ``(N, C, h, w)``, as ``(N, out_channels, H, W)``.

        Args:
            x: The map.
            size: ``(H, W)`` of the output, ``H >= h`` and ``W >= w``.
            pooled: Indices of the pooling to invert, for max-unpooling.
        """
        raise NotImplementedError


class _Interpolation(Upsampling):
    def __init__(self, mode: str, channels: int) -> None:
        super().__init__()
        # torch's `nearest` rounds down, which shifts maps unless their size doubles exactly.
        self.mode = "nearest-exact" if mode == "nearest" else mode
        self.out_channels = channels

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        align = None if self.mode == "nearest-exact" else False
        return functional.interpolate(x, size=size, mode=self.mode, align_corners=align)


class _Deconvolution(Upsampling):
    """A transposed convolution without overlap, which would cause a checkerboard pattern."""

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(in_channels, out_channels, ratio, stride=ratio)
        self.out_channels = out_channels

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        x = self.convolution(x)[..., : size[0], : size[1]]
        below, right = size[0] - x.shape[-2], size[1] - x.shape[-1]
        # Pooling dropped the last row of an odd size; repeat its neighbour.
        return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


class _Unpooling(Upsampling):
    """Move each value to the place of its maximum; the rest is zero."""

    def __init__(self, in_channels: int, pooled_channels: int) -> None:
        super().__init__()
        fits = in_channels == pooled_channels
        # There is one index per pooled channel.
        self.project = nn.Identity() if fits else nn.Conv2d(in_channels, pooled_channels, 1)
        self.out_channels = pooled_channels

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        if pooled is None:
            message = "cannot unpool: this map was not pooled, or its pooling kept no indices."
            raise ConfigError(message, hint="choose another up-sampling.")
        x, size = self.project(x), pooled.size
        return functional.max_unpool2d(x, pooled.indices, (2, 2), output_size=size)


UPSAMPLINGS: dict[str, Callable[[int, int, int, int], Upsampling]] = {
    "bilinear": lambda x, out, finer, ratio: _Interpolation("bilinear", x),
    "bicubic": lambda x, out, finer, ratio: _Interpolation("bicubic", x),
    "nearest": lambda x, out, finer, ratio: _Interpolation("nearest", x),
    "deconv": lambda x, out, finer, ratio: _Deconvolution(x, out, ratio),
    "unpool": lambda x, out, finer, ratio: _Unpooling(x, finer),
}


def build_upsampling(
    name: str, in_channels: int, out_channels: int, pooled_channels: int, ratio: int
) -> Upsampling:
    """Return a layer that enlarges a map by ``ratio``.

    Args:
        name: ``bilinear``, ``bicubic``, ``nearest``, ``deconv`` (transposed convolution) or
            ``unpool`` (max-unpooling).
        in_channels: Channels of the map.
        out_channels: Output channels of a transposed convolution; interpolation keeps the number.
        pooled_channels: Channels of the pooling that unpooling inverts.
        ratio: Stride before divided by stride after.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in UPSAMPLINGS:
        known = ", ".join(UPSAMPLINGS)
        message = f"no up-sampling named {name!r}: expected one of {known}."
        raise ConfigError(message, where="upsample", hint="correct upsample in the config.")
    return UPSAMPLINGS[name](in_channels, out_channels, pooled_channels, ratio)
