# SPDX-License-Identifier: Apache-2.0
"""Run a network of fixed input sizes on images of any size, by mirroring and tiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Geometry", "mirror", "mirror_indices", "run_tiled"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The input sizes of a network with valid convolutions, in px.

    Attributes:
        margin_px: Margin of the input that the output lacks on each side.
        stride_px: Outputs have ``4 + k * stride_px`` px. Tiles at multiples of it are aligned to
            the grid of the poolings, so each pixel sees the same input.
        tile_px: Largest input; its output must be larger than ``stride_px``.
    """

    margin_px: int
    stride_px: int
    tile_px: int

    def plan(self, length_px: int) -> tuple[int, list[int]]:
        """Return the size of a tile's output and the starts of the outputs, along one axis.

        Args:
            length_px: Size of the image along the axis.
        """
        largest = self.tile_px - 2 * self.margin_px
        if length_px <= largest:
            steps = max(0, -(-(length_px - 4) // self.stride_px))
            return 4 + steps * self.stride_px, [0]
        step = largest - largest % self.stride_px
        tiles = 1 - (-(length_px - largest) // step)
        return largest, [number * step for number in range(tiles)]


def run_tiled(image: Tensor, network: Callable[[Tensor], Tensor], geometry: Geometry) -> Tensor:
    """Return the network's output for the whole image, mirrored at its edges.

    The result equals one pass over the mirror-padded image: tiles are aligned to the poolings'
    grid, so a pixel sees the same input in each tile, and overlapping outputs agree.

    Args:
        image: ``(N, C, H, W)``.
        network: ``(N, C, h, w)`` -> ``(N, K, h - 2 * margin, w - 2 * margin)``.
        geometry: Input sizes of the network.

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
    """Return each start and the length of the tile's output that is kept, up to the next start."""
    ends = [*starts[1:], min(starts[-1] + tile_px, length_px)]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def mirror(x: Tensor, margin_px: int) -> Tensor:
    """Return ``x`` padded by mirroring, without repeating the edge pixels.

    Args:
        x: ``(..., H, W)``.
        margin_px: Width of the margin on each side.
    """
    for axis in (-2, -1):
        places = mirror_indices(x.shape[axis], margin_px, margin_px)
        x = x.index_select(axis, places.to(x.device))
    return x


def mirror_indices(length: int, before: int, after: int) -> Tensor:
    """Return ``(before + length + after,)`` indices, reflected at both ends as often as needed.

    Args:
        length: Length of the axis.
        before: Number of indices before the start.
        after: Number of indices after the end.

    Example:
        >>> mirror_indices(3, 2, 3).tolist()
        [2, 1, 0, 1, 2, 1, 0, 1]
    """
    period = max(1, 2 * (length - 1))
    places = torch.arange(-before, length + after).remainder(period)
    return torch.minimum(places, period - places) if length > 1 else places.clamp(max=0)
