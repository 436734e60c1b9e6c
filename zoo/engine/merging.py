# SPDX-License-Identifier: Apache-2.0
"""What overlapping windows of one scene found -> each instance once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zoo.data import Window
from zoo.engine.roi_masks import RoiMask, unite

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Detection", "merge_windows"]

_SAME = 0.5  # of the pixels that two detections have where their windows overlap
_EDGE_PX = 2.0  # how near to its window's edge a box is taken to be cut by it


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One instance that a model found.

    Args:
        box: xyxy in px of the scene.
        score: In ``[0, 1]``.
        class_id: Position of its class.
        mask: In px of the scene, None from a model that gives boxes alone.
    """

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    mask: RoiMask | None

    @property
    def region(self) -> RoiMask:
        """The mask, or the box as one."""
        if self.mask is not None:
            return self.mask
        left, top = int(np.floor(self.box[0])), int(np.floor(self.box[1]))
        right, bottom = int(np.ceil(self.box[2])), int(np.ceil(self.box[3]))
        # One value at every pixel, which takes no memory.
        filled = np.broadcast_to(np.True_, (max(bottom - top, 1), max(right - left, 1)))
        return RoiMask(filled, left, top)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A detection, the window that shows it, and whether an edge of it cuts the instance."""

    detection: Detection
    window: int
    is_cut: bool


def merge_windows(
    found: Sequence[tuple[Window, Sequence[Detection]]], width_px: int, height_px: int
) -> list[Detection]:
    """Return the instances of a scene, best score first, those that several windows saw once.

    Two detections of one class from two windows are one instance if half of the pixels that
    either has where the windows overlap are shared; where an edge cuts one of them, if half of
    the smaller one's are. What one window tells apart stays apart. Of an instance that some
    window shows whole, the best of those detections stays as it is; one that no window shows
    whole becomes the union of its parts, with their best score.

    Args:
        found: Windows with their detections, in px of the scene.
        width_px: Of the scene.
        height_px: Of the scene.
    """
    seen = [
        _Seen(detection, index, _is_cut(detection.box, window, width_px, height_px))
        for index, (window, detections) in enumerate(found)
        for detection in detections
    ]
    groups = [[place] for place in range(len(seen))]
    group_of = list(range(len(seen)))
    pairs = _pairs(seen, [window for window, _ in found])
    for first, second, _ in sorted(pairs, key=lambda pair: -pair[2]):
        one, other = group_of[first], group_of[second]
        windows = [{seen[place].window for place in groups[index]} for index in (one, other)]
        if one != other and windows[0].isdisjoint(windows[1]):
            for place in groups[other]:
                group_of[place] = one
            groups[one] += groups[other]
            groups[other] = []
    merged = [_join([seen[place] for place in group]) for group in groups if group]
    return sorted(merged, key=lambda detection: -detection.score)


def _is_cut(
    box: tuple[float, float, float, float], window: Window, width_px: int, height_px: int
) -> bool:
    left, top, right, bottom = window.box
    return (
        (left > 0 and box[0] < left + _EDGE_PX)
        or (top > 0 and box[1] < top + _EDGE_PX)
        or (right < width_px and box[2] > right - _EDGE_PX)
        or (bottom < height_px and box[3] > bottom - _EDGE_PX)
    )


def _pairs(seen: Sequence[_Seen], windows: Sequence[Window]) -> Iterator[tuple[int, int, float]]:
    """Yield the places of two detections that are one instance, and how much they agree."""
    boxes = np.array([one.detection.box for one in seen]).reshape(-1, 4)
    classes = np.array([one.detection.class_id for one in seen])
    places = np.array([one.window for one in seen])
    # Detections come window by window.
    starts = np.searchsorted(places, np.arange(len(windows) + 1))
    for one, other, shared in _neighbours(windows):
        first, second = (np.arange(starts[index], starts[index + 1]) for index in (one, other))
        edges = np.array([shared.box])
        first, second = (part[_overlap(edges, boxes[part])[0]] for part in (first, second))
        is_near = _overlap(boxes[first], boxes[second])
        is_near &= classes[first][:, None] == classes[second][None, :]
        for row, column in zip(*np.nonzero(is_near), strict=True):
            a, b = int(first[row]), int(second[column])
            agreement = _agreement(seen[a], seen[b], shared)
            if agreement >= _SAME:
                yield a, b, agreement


def _neighbours(windows: Sequence[Window]) -> Iterator[tuple[int, int, Window]]:
    """Yield each two windows that overlap, once, and what they share."""
    boxes = np.array([window.box for window in windows]).reshape(-1, 4)
    for one in range(len(windows)):
        for after in np.flatnonzero(_overlap(boxes[one : one + 1], boxes[one + 1 :])[0]).tolist():
            other = one + 1 + after
            left, top = (int(side) for side in np.maximum(boxes[one, :2], boxes[other, :2]))
            right, bottom = (int(side) for side in np.minimum(boxes[one, 2:], boxes[other, 2:]))
            yield one, other, Window(left, top, right - left, bottom - top)


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return ``(M, N)`` whether boxes overlap."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    touches: NDArray[np.bool_] = np.all(low < high, axis=2)
    return touches


def _agreement(one: _Seen, other: _Seen, shared: Window) -> float:
    first, second = one.detection.region, other.detection.region
    both = first.shared_with(second)
    if not both:
        return 0.0
    areas = first.area_in(shared), second.area_in(shared)
    whole = min(areas) if one.is_cut or other.is_cut else sum(areas) - both
    return both / whole


def _join(group: Sequence[_Seen]) -> Detection:
    whole = [one.detection for one in group if not one.is_cut]
    best = max(whole or [one.detection for one in group], key=lambda one: one.score)
    if whole or len(group) == 1:
        return best
    parts = [one.detection for one in group]
    boxes = np.array([part.box for part in parts])
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    mask = None if best.mask is None else unite([part.region for part in parts])
    return replace(best, box=(left, top, right, bottom), mask=mask)
