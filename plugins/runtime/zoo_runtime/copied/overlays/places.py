# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.overlays.places, by tools/runtime_copies.py.
"""Place the labels of objects: beside them, on no other label, on few other objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Place", "place_labels"]

# Tuned by eye on crowded tanks: how much of a label may cover objects other than its own.
_MOST_COVERED = 0.25
_LARGE = 12  # times its label's area: an object that is labelled inside
_GAP_PX = 1


class Place(NamedTuple):
    """The position of a label.

    Args:
        option: Which of the texts is written.
        left: Its left edge in px.
        top: Its upper edge in px.
    """

    option: int
    left: int
    top: int


def place_labels(
    boxes: NDArray[np.floating],
    widths_px: Sequence[Sequence[int]],
    height_px: int,
    busy: NDArray[np.bool_],
) -> list[Place | None]:
    """Return the place of each object's label, or None if there is no room.

    Objects are handled in their order. Of the places above, below, beside and, for a large object,
    inside, the one is chosen where the label covers least of other objects.

    Args:
        boxes: ``(K, 4)`` xyxy in px of the picture.
        widths_px: Of each object, the widths of its texts, in the order of preference.
        height_px: Of every label.
        busy: ``(H, W)`` where objects are.
    """
    taken = np.zeros_like(busy)
    places: list[Place | None] = []
    for box, widths in zip(boxes.tolist(), widths_px, strict=True):
        place = _best(box, widths, height_px, busy, taken)
        if place is not None:
            bottom, right = place.top + height_px, place.left + widths[place.option]
            taken[place.top : bottom, place.left : right] = True
        places.append(place)
    return places


def _best(
    box: list[float],
    widths: Sequence[int],
    height_px: int,
    busy: NDArray[np.bool_],
    taken: NDArray[np.bool_],
) -> Place | None:
    for option, width_px in enumerate(widths):
        found: list[tuple[float, int, Place]] = []
        for rank, (left, top, is_inside) in enumerate(_candidates(box, width_px, height_px)):
            rows, columns = slice(top, top + height_px), slice(left, left + width_px)
            is_out = left < 0 or top < 0 or rows.stop > busy.shape[0]
            if is_out or columns.stop > busy.shape[1] or taken[rows, columns].any():
                continue
            covered = 0.0 if is_inside else float(busy[rows, columns].mean())
            if covered <= _MOST_COVERED:
                found.append((covered, rank, Place(option, left, top)))
            if covered == 0:
                break
        if found:
            return min(found)[2]
    return None


def _candidates(box: list[float], width_px: int, height_px: int) -> Iterator[tuple[int, int, bool]]:
    """Yield left and upper edge of each place, the best first, and whether it is inside."""
    x0, y0, x1, y1 = (round(value) for value in box)
    if (x1 - x0) * (y1 - y0) > _LARGE * width_px * height_px:
        # Not in the middle, where a hole may be.
        yield (x0 + x1 - width_px) // 2, y0 + (y1 - y0) // 12, True
    middle = (y0 + y1 - height_px) // 2
    above, below = y0 - height_px - _GAP_PX, y1 + _GAP_PX
    for left in ((x0 + x1 - width_px) // 2, x0, x1 - width_px):
        yield left, above, False
        yield left, below, False
    yield x1 + _GAP_PX, middle, False
    yield x0 - width_px - _GAP_PX, middle, False
