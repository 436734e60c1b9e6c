# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.pasting, by tools/runtime_copies.py.
"""Masks that a network predicts within boxes, laid over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo_runtime.copied.scenes.roi_mask import RoiMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["paste_mask"]


def paste_mask(
    shares: NDArray[np.float32],
    box: NDArray[np.float32],
    size: tuple[int, int],
    *,
    threshold: float,
    left_px: int = 0,
    top_px: int = 0,
) -> RoiMask | None:
    """Return the pixels of an image whose probability reaches a threshold; None if none does.

    A pixel is interpolated from the four nearest cells of the box, and beyond it from zeros.

    Args:
        shares: ``(h, w)`` float32, the probability in each cell of the box.
        box: ``(4,)`` float32, xyxy in px of the image, finite.
        size: Height and width of the image in px.
        threshold: Least probability, above 0.
        left_px: Column of the scene where the image begins.
        top_px: Row of the scene where the image begins.

    Source:
        ``_do_paste_mask`` of mmdet 3.3 and torch's ``grid_sample``, in their order of operations.
    """
    x0, y0, x1, y1 = np.asarray(box, np.float32)
    left, right = _reach(x0, x1, size[1])
    top, bottom = _reach(y0, y1, size[0])
    if left >= right or top >= bottom:
        return None
    column, across = _cells(left, right, x0, x1, shares.shape[1])
    row, down = _cells(top, bottom, y0, y1, shares.shape[0])
    cells = np.pad(shares.astype(np.float32, copy=False), (1, 2))
    north, south = cells[row], cells[row + 1]
    west, east = np.float32(1) - across, across
    above, below = (np.float32(1) - down)[:, None], down[:, None]
    found = north[:, column] * (above * west)
    found += north[:, column + 1] * (above * east)
    found += south[:, column] * (below * west)
    found += south[:, column + 1] * (below * east)
    return RoiMask.cut(found >= threshold, left_px + left, top_px + top)


def _reach(start: np.float32, end: np.float32, length_px: int) -> tuple[int, int]:
    """Return the first pixel that a side of a box can touch, and the one behind the last."""
    first = max(float(np.floor(start)) - 1, 0.0)
    return int(min(first, length_px)), int(max(0.0, min(float(np.ceil(end)) + 1, length_px)))


def _cells(
    first: int, end: int, start: np.float32, stop: np.float32, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each pixel the cell before its centre, counted from -1, and the way on from it."""
    one, two = np.float32(1), np.float32(2)
    centre = np.arange(first, end, dtype=np.float32) + np.float32(0.5)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        place = (centre - start) / (stop - start) * two - one
    place[np.isinf(place)] = 0
    place = (place + one) * np.float32(count / 2) - np.float32(0.5)
    # What lies a cell or more outside meets zeros alone.
    place = np.nan_to_num(place, nan=-1.0).clip(-one, np.float32(count))
    before = np.floor(place)
    return before.astype(np.int64) + 1, place - before
