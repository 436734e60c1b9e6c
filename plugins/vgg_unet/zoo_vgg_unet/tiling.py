# SPDX-License-Identifier: Apache-2.0
"""An image of any size through a network that only takes some, by mirror and tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Geometry", "mirror", "mirror_indices", "run_tiled"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which sizes a valid-convolution network takes, in px.

    Attributes:
        margin_px: What the output lacks on each side of the input.
        stride_px: Outputs are ``4 + k * stride_px`` large, and tiles may stand at multiples of it
            without changing what any pixel sees: the poolings' grid.
        tile_px: The largest input, whose output must be larger than ``stride_px``.
    """

    margin_px: int
    stride_px: int
    tile_px: int

    def plan(self, length_px: int) -> tuple[int, list[int]]:
        """Return the output's size and where the outputs of tiles begin, along one axis."""
        largest = self.tile_px - 2 * self.margin_px
        if length_px <= largest:
            steps = max(0, -(-(length_px - 4) // self.stride_px))
            return 4 + steps * self.stride_px, [0]
        step = largest - largest % self.stride_px
        tiles = 1 - (-(length_px - largest) // step)
        return largest, [number * step for number in range(tiles)]


def run_tiled(image: Tensor, network: Callable[[Tensor], Tensor], geometry: Geometry) -> Tensor:
    """Return what ``network`` makes of the whole image, mirrored at its edges.

    The same as one pass over the mirror-padded image: tiles stand on the poolings' grid, so a
    pixel sees the same in each, and outputs that overlap agree.

    Args:
        image: ``(N, C, H, W)``.
        network: ``(N, C, h, w)`` -> ``(N, K, h - 2 * margin, w - 2 * margin)``.
        geometry: Of the network.

    Returns:
        ``(N, K, H, W)``.

    Source:
        Ronneberger et al. 2015, arXiv:1505.04597, figure 2: the overlap-tile strategy.
    """
    height_px, width_px = image.shape[-2:]
    tile_height, tops = geometry.plan(height_px)
    tile_width, lefts = geometry.plan(width_px)
    margin = geometry.margin_px
    rows = mirror_indices(height_px, margin, tops[-1] + tile_height + margin - height_px)
    columns = mirror_indices(width_px, margin, lefts[-1] + tile_width + margin - width_px)
    bands: list[Tensor] = []
    for top, height in _kept(tops, tile_height, height_px):
        band = image.index_select(2, rows[top : top + tile_height + 2 * margin].to(image.device))
        tiles: list[Tensor] = []
        for left, width in _kept(lefts, tile_width, width_px):
            place = columns[left : left + tile_width + 2 * margin].to(image.device)
            tiles.append(network(band.index_select(3, place))[..., :height, :width])
        bands.append(torch.cat(tiles, dim=3))
    return torch.cat(bands, dim=2)


def _kept(starts: list[int], tile_px: int, length_px: int) -> list[tuple[int, int]]:
    """Return each start and how much of its tile's output is kept: up to the next."""
    ends = [*starts[1:], min(starts[-1] + tile_px, length_px)]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def mirror(x: Tensor, margin_px: int) -> Tensor:
    """Return ``x``, ``(..., H, W)``, mirrored outwards; the edge's pixels are not repeated."""
    for axis in (-2, -1):
        places = mirror_indices(x.shape[axis], margin_px, margin_px)
        x = x.index_select(axis, places.to(x.device))
    return x


def mirror_indices(length: int, before: int, after: int) -> Tensor:
    """Return ``(before + length + after,)`` indices that bounce at both ends as often as needed.

    Example:
        >>> mirror_indices(3, 2, 3).tolist()
        [2, 1, 0, 1, 2, 1, 0, 1]
    """
    period = max(1, 2 * (length - 1))
    places = torch.arange(-before, length + after).remainder(period)
    return torch.minimum(places, period - places) if length > 1 else places.clamp(max=0)
