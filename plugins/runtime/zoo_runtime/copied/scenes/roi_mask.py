# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.roi_mask, by tools/runtime_copies.py.
"""Instance masks stored in their bounding boxes: their size does not grow with the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo_runtime.copied.scenes.runs import spell_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_runtime.copied.scenes.windows import Window

__all__ = ["Region", "RoiBox", "RoiMask", "unite"]


@dataclass(frozen=True, slots=True, eq=False)
class RoiMask:
    """A mask with its position in the scene.

    Args:
        pixels: ``(h, w)`` bool; the first and last rows and columns each contain a pixel.
        left_px: First column in the scene.
        top_px: First row in the scene.
    """

    pixels: NDArray[np.bool_]
    left_px: int
    top_px: int

    @classmethod
    def cut(cls, mask: NDArray[np.bool_], left_px: int = 0, top_px: int = 0) -> RoiMask | None:
        """Return a mask cropped to its pixels, or None for an empty one.

        Args:
            mask: ``(H, W)`` bool.
            left_px: Column of the scene where ``mask`` begins.
            top_px: Row of the scene where ``mask`` begins.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return None
        top, left = int(rows[0]), int(columns[0])
        pixels = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
        return cls(np.ascontiguousarray(pixels), left_px + left, top_px + top)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The bounding box, xyxy in px of the scene, half-open."""
        height, width = self.pixels.shape
        return self.left_px, self.top_px, self.left_px + width, self.top_px + height

    @property
    def area_px(self) -> int:
        """The number of pixels."""
        return int(np.count_nonzero(self.pixels))

    def area_in(self, window: Window) -> int:
        """Return the number of its pixels in a window of the scene.

        Args:
            window: A window of the scene, in px of the scene.
        """
        right, bottom = window.left_px + window.width_px, window.top_px + window.height_px
        return int(np.count_nonzero(self._part(window.left_px, window.top_px, right, bottom)))

    def shared_with(self, other: RoiMask) -> int:
        """Return the number of pixels that both masks share.

        Args:
            other: A mask in the same scene.
        """
        left, top = max(self.left_px, other.left_px), max(self.top_px, other.top_px)
        right, bottom = min(self.box[2], other.box[2]), min(self.box[3], other.box[3])
        if left >= right or top >= bottom:
            return 0
        mine, theirs = (mask._part(left, top, right, bottom) for mask in (self, other))
        return int(np.count_nonzero(mine & theirs))

    def to_rle(self, height_px: int, width_px: int) -> dict[str, Any]:
        """Return the mask as compact RLE of a scene, without allocating the scene's pixels.

        Args:
            height_px: Height of the scene.
            width_px: Width of the scene.

        Returns:
            ``size`` and ``counts``, bytes, as pycocotools takes them.
        """
        # Runs go down the columns: where a column of the box changes, one begins or ends.
        padded = np.zeros((self.pixels.shape[1], self.pixels.shape[0] + 2), np.int8)
        padded[:, 1:-1] = self.pixels.T
        columns, rows = np.nonzero(np.diff(padded, axis=1))
        turns = (self.left_px + columns) * height_px + self.top_px + rows
        # A run that reaches the scene's last row continues at the top of the next column.
        goes_on = np.flatnonzero(turns[1:] == turns[:-1])
        turns = np.delete(turns, np.concatenate([goes_on, goes_on + 1]))
        end_px = height_px * width_px
        ends = turns if turns[-1] == end_px else np.append(turns, end_px)
        counts = spell_runs(np.diff(ends, prepend=0).tolist())
        return {"size": [height_px, width_px], "counts": counts.encode("ascii")}

    def _part(self, left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
        rows = slice(max(0, top - self.top_px), max(0, bottom - self.top_px))
        columns = slice(max(0, left - self.left_px), max(0, right - self.left_px))
        return self.pixels[rows, columns]


@dataclass(frozen=True, slots=True)
class RoiBox:
    """A box with the interface of a mask, from a model that predicts no masks.

    Args:
        box: xyxy in px of the scene, not rounded.
    """

    box: tuple[float, float, float, float]

    @property
    def area_px(self) -> float:
        """Its area in px."""
        return _area(*self.box)

    def area_in(self, window: Window) -> float:
        """Return its area in a window of the scene, in px.

        Args:
            window: A window of the scene, in px of the scene.
        """
        return self._shared(window.box)

    def shared_with(self, other: RoiBox) -> float:
        """Return the area that both boxes have, in px.

        Args:
            other: A box in the same scene.
        """
        return self._shared(other.box)

    def _shared(self, box: tuple[float, float, float, float]) -> float:
        left, top = max(self.box[0], box[0]), max(self.box[1], box[1])
        return _area(left, top, min(self.box[2], box[2]), min(self.box[3], box[3]))


class Region(Protocol):
    """A part of a scene: a mask, or a box instead of one."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The box around it, xyxy in px of the scene."""

    @property
    def area_px(self) -> float:
        """Its area in px."""

    def area_in(self, window: Window) -> float:
        """Return its area in a window of the scene, in px.

        Args:
            window: A window of the scene, in px of the scene.
        """

    def shared_with(self, other: Any) -> float:
        """Return the area shared with another of its kind, in px.

        Args:
            other: A region of the same class in the same scene.
        """


def _area(left: float, top: float, right: float, bottom: float) -> float:
    return max(0.0, right - left) * max(0.0, bottom - top)


def unite(masks: Sequence[RoiMask]) -> RoiMask:
    """Return the union of one or more masks.

    Args:
        masks: Masks of one scene.
    """
    if len(masks) == 1:
        return masks[0]
    boxes = np.array([mask.box for mask in masks])
    left, top = (int(side) for side in boxes[:, :2].min(axis=0))
    right, bottom = (int(side) for side in boxes[:, 2:].max(axis=0))
    pixels = np.zeros((bottom - top, right - left), bool)
    for mask in masks:
        x1, y1, x2, y2 = mask.box
        pixels[y1 - top : y2 - top, x1 - left : x2 - left] |= mask.pixels
    return RoiMask(pixels, left, top)
