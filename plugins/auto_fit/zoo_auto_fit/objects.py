# SPDX-License-Identifier: Apache-2.0
"""Objects in label maps: how large, how thick, how long, and which of them touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["FoundObject", "objects_of_mask", "regions_of_mask", "touching_ids"]

MOST_REGIONS = 500
"""Of one class in one image; the first in reading order stand for the others."""
_LEAST_PX = 4
"""Regions of fewer pixels are specks of the annotation, not objects."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object.

    Attributes:
        area_px: Its pixels.
        thickness_px: Its width across its middle line: the median, along the ridge of the distance
            to its edge, of twice that distance.
        aspect: Longer side of its box by the shorter one.
    """

    area_px: int
    thickness_px: float
    aspect: float


def regions_of_mask(mask: NDArray[np.bool_]) -> Iterator[FoundObject]:
    """Yield the connected regions (over corners too) of one class.

    Args:
        mask: ``(H, W)``, the pixels of the class.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), None, None, 8)
    if count < 2:
        return
    ridges = _ridge_widths(mask)
    ridge_labels = labels[ridges > 0]
    order = np.argsort(ridge_labels, kind="stable")
    widths = ridges[ridges > 0][order]
    ends = np.searchsorted(ridge_labels[order], np.arange(count + 1))
    kept = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= _LEAST_PX][:MOST_REGIONS]
    for label in kept:
        own = widths[ends[label] : ends[label + 1]]
        yield _found(stats[label, cv2.CC_STAT_AREA], own, *stats[label, 2:4])


def objects_of_mask(mask: NDArray[np.bool_]) -> FoundObject | None:
    """Return one instance, whose parts belong together; None if it has no pixels.

    Args:
        mask: ``(H, W)``, the pixels of the instance; may be cropped to its box.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ridges = _ridge_widths(part)
    return _found(int(part.sum()), ridges[ridges > 0], part.shape[1], part.shape[0])


def touching_ids(ids: NDArray[np.int32], classes: NDArray[np.int32]) -> set[int]:
    """Return the instances that share an edge or a corner with another of their class.

    Args:
        ids: ``(H, W)``, the id of an instance from 1, or 0.
        classes: Class of each id, by index; that of 0 is not read.
    """
    found: set[int] = set()
    height, width = ids.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        first = ids[: height - down, max(0, -right) : width - max(0, right)]
        second = ids[down:, max(0, right) : width + min(0, right)]
        meets = (first != second) & (first > 0) & (second > 0)
        meets &= classes[first] == classes[second]
        found.update(first[meets].tolist(), second[meets].tolist())
    return found


def _found(area: int, widths: NDArray[np.float32], width: int, height: int) -> FoundObject:
    thickness = float(np.median(widths)) if len(widths) else 1.0
    return FoundObject(int(area), thickness, float(max(width, height) / max(1, min(width, height))))


def _ridge_widths(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the width of the object at each pixel of its middle line, and 0 elsewhere."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    is_ridge = (distance > 0) & (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)))
    widths: NDArray[np.float32] = np.where(is_ridge, 2 * distance - 1, 0).astype(np.float32)
    return widths[1:-1, 1:-1]
