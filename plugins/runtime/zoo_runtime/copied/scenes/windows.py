# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.geometry.windows, by tools/runtime_copies.py.
"""Windows of a scene: overlapping tiles, chips around one instance, or the whole scene."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo_runtime.copied.scenes.shapes import Box
from zoo_runtime.errors import DataError

__all__ = ["Tiling", "Window", "chip_window", "parse_tiling", "tile_starts", "tile_windows"]

LAYOUTS = ("tiles", "chips", "whole")
_DEFAULT_PX = {"tiles": 512, "chips": 128, "whole": 0}
_MOST_PX = 65535
_ROUNDING_PX = 1e-6  # tolerance: a side is the rounded difference of two corners


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a scene.

    Args:
        left_px: First column.
        top_px: First row.
        width_px: At least 1.
        height_px: At least 1.
    """

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @property
    def box(self) -> Box:
        """The window as xyxy in px, half-open."""
        left, top = self.left_px, self.top_px
        return left, top, left + self.width_px, top + self.height_px


@dataclass(frozen=True, slots=True)
class Tiling:
    """How to cut scenes.

    Args:
        layout: ``tiles``, ``chips`` or ``whole``.
        tile_px: Side of tiles or chips; 0 for whole scenes.
        overlap_px: Least overlap of neighbouring tiles; 0 for the other layouts.
        min_visible: Least share of the mask that must remain of an instance cut by an edge.
    """

    layout: str
    tile_px: int
    overlap_px: int
    min_visible: float

    def to_options(self) -> dict[str, str | int | float]:
        """Return the four values by name, for ``dataset.json``."""
        names = ("layout", "tile_px", "overlap_px", "min_visible")
        return {name: getattr(self, name) for name in names}

    def check_fits(self, sizes: Iterable[tuple[int, int, float, float]]) -> None:
        """Refuse a tiling that could lose an instance.

        A box no larger than the overlap is complete in at least one tile. Along an axis with a
        single tile, every box is complete.

        Args:
            sizes: Width and height of each scene, and width and height of its largest boxes, in px.
                Crowds may be cut and do not count.

        Raises:
            DataError: The overlap or the chip is smaller than the largest box; the hint states the
                required size.
        """
        if self.layout == "whole":
            return
        limit_px = self.overlap_px if self.layout == "tiles" else self.tile_px
        sides = [
            side
            for width_px, height_px, widest_px, highest_px in sizes
            for length, side in ((width_px, widest_px), (height_px, highest_px))
            if length > self.tile_px
        ]
        needed_px = math.ceil(max(sides, default=0) - _ROUNDING_PX)
        if needed_px <= limit_px:
            return
        if self.layout == "chips":
            message = f"cannot cut chips of {limit_px} px: the largest box has {needed_px} px."
            raise DataError(message, where="--tile-size", hint=f"give --tile-size {needed_px}.")
        message = (
            f"cannot cut tiles that overlap by {limit_px} px: the largest box has {needed_px} px, "
            "so some box might be whole in no tile."
        )
        hint = f"give --overlap {needed_px}."
        if self.tile_px <= needed_px:
            hint = f"give --tile-size {2 * needed_px} --overlap {needed_px}, or more."
        raise DataError(message, where="--overlap", hint=hint)


def parse_tiling(
    layout: str, tile_size: int | None = None, overlap: int = 128, min_visible: float = 0.3
) -> Tiling:
    """Return the tiling for options of ``zoo data prepare``.

    Args:
        layout: ``tiles``, ``chips`` or ``whole``.
        tile_size: In px; None for 512 (tiles) or 128 (chips). Whole scenes ignore it.
        overlap: In px; used only by tiles.
        min_visible: In ``[0, 1]``.

    Raises:
        DataError: An option is unknown or out of range.

    Example:
        >>> parse_tiling("chips").tile_px
        128
    """
    if layout not in LAYOUTS:
        message = f"cannot cut scenes with the layout {layout!r}: expected {', '.join(LAYOUTS)}."
        raise DataError(message, where="--layout", hint="give --layout tiles, chips or whole.")
    tile_px = _DEFAULT_PX[layout] if tile_size is None or layout == "whole" else tile_size
    if layout != "whole" and not 1 <= tile_px <= _MOST_PX:
        message = f"cannot cut {layout} of {tile_px} px: expected 1..{_MOST_PX}."
        raise DataError(message, where="--tile-size", hint="use for example --tile-size 512.")
    if not 0 <= min_visible <= 1:
        message = f"cannot keep instances by the visible share {min_visible:g}: expected 0..1."
        raise DataError(message, where="--min-visible", hint="use for example --min-visible 0.3.")
    overlap_px = overlap if layout == "tiles" else 0
    if overlap_px < 0:
        message = f"cannot overlap tiles by {overlap_px} px: expected 0 or more."
        raise DataError(
            message, where="--overlap", hint=f"use for example --overlap {tile_px // 4}."
        )
    if layout == "tiles" and overlap_px >= tile_px:
        message = f"cannot overlap tiles of {tile_px} px by {overlap_px} px: expected less."
        hint = f"give a --tile-size above the --overlap, for example {2 * max(overlap_px, 1)}."
        raise DataError(message, where="--overlap", hint=hint)
    return Tiling(layout, tile_px, overlap_px, min_visible)


def tile_starts(length_px: int, tile_px: int, overlap_px: int) -> list[int]:
    """Return the start of each tile along one axis, evenly spread from edge to edge.

    Uses the fewest tiles that share at least ``overlap_px`` with each neighbour. Any interval up to
    that length is inside one tile.

    Args:
        length_px: Length of the scene, ``>= 1``.
        tile_px: Length of a tile; a scene that is not longer is one tile.
        overlap_px: ``0 <= overlap_px < tile_px``.

    Example:
        >>> tile_starts(1000, 512, 128)
        [0, 244, 488]
    """
    if length_px <= tile_px:
        return [0]
    number = math.ceil((length_px - overlap_px) / (tile_px - overlap_px))
    last = length_px - tile_px
    return [(index * last) // (number - 1) for index in range(number)]


def tile_windows(width_px: int, height_px: int, tiling: Tiling) -> Iterator[Window]:
    """Yield the tiles of a scene, row by row; a scene smaller than a tile is one window.

    Args:
        width_px: Width of the scene.
        height_px: Height of the scene.
        tiling: Size and overlap of the tiles.
    """
    width, height = min(width_px, tiling.tile_px), min(height_px, tiling.tile_px)
    for top in tile_starts(height_px, tiling.tile_px, tiling.overlap_px):
        for left in tile_starts(width_px, tiling.tile_px, tiling.overlap_px):
            yield Window(left, top, width, height)


def chip_window(box: Box, width_px: int, height_px: int, chip_px: int) -> Window:
    """Return the chip around a box, moved to be inside the scene.

    Args:
        box: xyxy in px, no larger than the chip.
        width_px: Of the scene.
        height_px: Of the scene.
        chip_px: Side of the chip; limited to the size of the scene.
    """
    left_px, width = _centre(box[0], box[2], width_px, chip_px)
    top_px, height = _centre(box[1], box[3], height_px, chip_px)
    return Window(left_px, top_px, width, height)


def _centre(low: float, high: float, length_px: int, chip_px: int) -> tuple[int, int]:
    size = min(chip_px, length_px)
    start = round((low + high - size) / 2)
    # Rounding by half a pixel must not push a box as large as the chip over the edge.
    start = max(math.ceil(high) - size, min(start, math.floor(low)))
    return max(0, min(start, length_px - size)), size
