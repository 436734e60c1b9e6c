# SPDX-License-Identifier: Apache-2.0
"""Five ways to make a map larger, under one call."""

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
        out_channels: Channels of what it returns.
    """

    out_channels: int

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        """Return ``x``, ``(N, C, h, w)``, as ``(N, out_channels, H, W)``.

        Args:
            x: The map.
            size: ``(H, W)`` that is wanted, ``H >= h`` and ``W >= w``.
            pooled: Of the pooling that is undone, for max-unpooling.
        """
        raise NotImplementedError


class _Interpolation(Upsampling):
    def __init__(self, mode: str, channels: int) -> None:
        super().__init__()
        # `nearest` of torch rounds down, which shifts maps whose size is not doubled exactly.
        self.mode = "nearest-exact" if mode == "nearest" else mode
        self.out_channels = channels

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        align = None if self.mode == "nearest-exact" else False
        return functional.interpolate(x, size=size, mode=self.mode, align_corners=align)


class _Deconvolution(Upsampling):
    """A transposed convolution whose windows abut: overlaps would leave a checkerboard."""

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(in_channels, out_channels, ratio, stride=ratio)
        self.out_channels = out_channels

    def forward(self, x: Tensor, size: Size, pooled: Pooled | None = None) -> Tensor:
        x = self.convolution(x)[..., : size[0], : size[1]]
        below, right = size[0] - x.shape[-2], size[1] - x.shape[-1]
        # The last row of an odd size fell off in pooling; the one beside it stands in.
        return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


class _Unpooling(Upsampling):
    """Each value goes back to where its maximum was; the rest is zero."""

    def __init__(self, in_channels: int, pooled_channels: int) -> None:
        super().__init__()
        fits = in_channels == pooled_channels
        # There is one index for each channel that was pooled.
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
    """Return a layer that makes a map ``ratio`` times as large.

    Args:
        name: ``bilinear``, ``bicubic``, ``nearest``, ``deconv`` (transposed convolution) or
            ``unpool`` (max-unpooling).
        in_channels: Channels of the map.
        out_channels: Channels that a transposed convolution gives; interpolation keeps them.
        pooled_channels: Channels of the pooling that unpooling undoes.
        ratio: Strides before over strides after.

    Raises:
        ConfigError: There is no such up-sampling.
    """
    if name not in UPSAMPLINGS:
        known = ", ".join(UPSAMPLINGS)
        message = f"no up-sampling named {name!r}: expected one of {known}."
        raise ConfigError(message, where="upsample", hint="correct upsample in the config.")
    return UPSAMPLINGS[name](in_channels, out_channels, pooled_channels, ratio)
