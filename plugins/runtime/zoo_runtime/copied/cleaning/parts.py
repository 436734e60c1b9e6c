# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.cleaning.parts, by tools/runtime_copies.py.
"""Connected parts of a mask: the largest ones, and the holes inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_holes", "find_small_parts"]

_LEFT, _TOP, _WIDTH, _HEIGHT, _AREA = range(5)  # OpenCV's columns


def find_small_parts(mask: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Return the pixels of a mask that are in none of its largest parts.

    Pixels that touch at a side or a corner belong to one part. Of parts of equal area, the one
    whose first pixel comes first, row by row, is kept.

    Args:
        mask: ``(H, W)``.
        count: Number of parts to keep, ``>= 1``.

    Returns:
        ``(H, W)``; all False if there are at most ``count`` parts.
    """
    if not mask.size:  # OpenCV ends the process
        return np.zeros_like(mask, bool)
    import cv2

    number, parts, stats, _ = cv2.connectedComponentsWithStats(
        np.ascontiguousarray(mask, np.uint8), connectivity=8
    )
    if number - 1 <= count:
        return np.zeros_like(mask, bool)
    areas = stats[1:, _AREA]
    smallest = np.sort(areas)[-count]
    kept = np.flatnonzero(areas > smallest) + 1
    tied = np.flatnonzero(areas == smallest) + 1
    if len(kept) + len(tied) > count:
        # OpenCV numbers parts by blocks of pixels. One walk over all of them, however many tie.
        numbers, first = np.unique(parts, return_index=True)
        order = np.argsort(first[np.searchsorted(numbers, tied)])
        tied = tied[order[: count - len(kept)]]
    is_kept = np.zeros(number, bool)
    is_kept[0] = True
    is_kept[kept] = is_kept[tied] = True
    dropped: NDArray[np.bool_] = ~is_kept[parts]
    return dropped


def find_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels that a mask encloses.

    A hole is not connected to the image border across the sides of pixels.

    Args:
        mask: ``(H, W)``.
    """
    if not mask.size:
        return np.zeros_like(mask, bool)
    import cv2

    outside = np.ascontiguousarray(~mask, np.uint8)
    _, parts, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    height_px, width_px = mask.shape
    right, bottom = stats[:, _LEFT] + stats[:, _WIDTH], stats[:, _TOP] + stats[:, _HEIGHT]
    is_hole = (stats[:, _LEFT] > 0) & (stats[:, _TOP] > 0)
    is_hole &= (right < width_px) & (bottom < height_px)
    is_hole[0] = False  # the mask itself
    holes: NDArray[np.bool_] = is_hole[parts]
    return holes
