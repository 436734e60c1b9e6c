# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.merging, by tools/runtime_copies.py.
"""Merge what overlapping windows of one scene found, so that each instance counts once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo_runtime.copied.scenes.overlaps import Overlaps, find_overlaps
from zoo_runtime.copied.scenes.roi_mask import Region, RoiBox, RoiMask, unite
from zoo_runtime.copied.scenes.windows import Window

__all__ = ["Detection", "merge_windows"]

_SAME = 0.5  # IoU above which two detections are the same
_PART = 0.5  # least share of the smaller one's pixels to count as part of the other
_OFF_PX = 3.0  # how far a cut part may reach beyond the whole
_EDGE_PX = 2.0  # distance to the window's edge within which a box counts as cut
_EDGE_SHARE = 0.05  # share of the box's side: large boxes are less precise

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One instance that a model found.

    Args:
        box: xyxy in px of the scene.
        score: In ``[0, 1]``.
        class_id: Index of its class.
        mask: In px of the scene; None from a model that predicts boxes only.
    """

    box: Box
    score: float
    class_id: int
    mask: RoiMask | None


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A detection, its window, and whether the window's edge cuts the instance.

    ``sight`` is the window's box, unbounded where the scene ends too.
    """

    detection: Detection
    region: Region
    window: Window
    sight: Box
    is_cut: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """An instance: its representative, and the sights of the windows that show it whole."""

    detection: Detection
    region: Region
    sights: tuple[Box, ...]


def merge_windows(
    found: Sequence[tuple[Window, Sequence[Detection]]], width_px: int, height_px: int
) -> list[Detection]:
    """Return the instances of a scene, best score first, without repeats from several windows.

    Whole detections take precedence over those that a window's edge cuts:

    1. Of whole detections of one class with an IoU above 0.5, the one with the best score is kept
        unchanged; or the next best, if the best one's window has an edge near another of them.
    2. A cut detection is dropped as a part of whole ones if half of its pixels are theirs, or if
        it is little more than what its window's edge leaves of one.
    3. The remaining cut ones are parts of instances that no window shows whole: those that agree
        are united, with their best score. Parts that one window shows as separate stay separate.
    4. From these and the whole ones, each is dropped that has an IoU above 0.5 with a better one,
        or of which half is in a larger one, unless a window shows both of them whole.

    So no two instances of one class share more than half of their union. A small instance in a
    large one is kept if the window that shows the large one whole separated them. The detections
    of a single window are kept as the model returned them. The order of windows and detections
    does not matter.

    Args:
        found: Windows with their detections, in px of the scene.
        width_px: Width of the scene.
        height_px: Height of the scene.
    """
    views = _views(found, width_px, height_px)
    if len({window.box for window, _ in found}) <= 1:
        return [view.detection for view in sorted(views, key=lambda one: -one.detection.score)]
    overlaps = find_overlaps(
        [view.region for view in views], [view.detection.class_id for view in views]
    )
    groups = _group_whole(views, overlaps)
    parts = [
        place
        for place, view in enumerate(views)
        if view.is_cut and not _is_explained(place, views, overlaps, groups)
    ]
    instances = [_whole([views[place] for place in group]) for group in groups.values()]
    instances += [
        _united([views[p] for p in group]) for group in _group_parts(parts, views, overlaps)
    ]
    kept = _without_repeats(instances)
    return sorted((one.detection for one in kept), key=lambda one: -one.score)


def _views(
    found: Sequence[tuple[Window, Sequence[Detection]]], width_px: int, height_px: int
) -> list[_View]:
    """Return all detections, whole ones first, then by score, independent of the input's order."""
    with_masks = all(one.mask is not None for _, detections in found for one in detections)
    views = []
    for window, detections in found:
        sight = _sight(window, width_px, height_px)
        for one in detections:
            region: Region = RoiBox(one.box)
            if with_masks and one.mask is not None:
                region = one.mask
            views.append(_View(one, region, window, sight, not _shows(sight, one.box)))
    return sorted(views, key=_rank)


def _rank(view: _View) -> tuple[Any, ...]:
    one = view.detection
    pixels = (b"",) if one.mask is None else (one.mask.box, one.mask.pixels.tobytes())
    return (view.is_cut, -one.score, one.class_id, one.box, view.window.box, *pixels)


def _sight(window: Window, width_px: int, height_px: int) -> Box:
    left, top, right, bottom = window.box
    return (
        left if left > 0 else -math.inf,
        top if top > 0 else -math.inf,
        right if right < width_px else math.inf,
        bottom if bottom < height_px else math.inf,
    )


def _shows(sight: Box, box: Box) -> bool:
    """Return whether a window shows a box whole: no edge is near."""
    x_px = max(_EDGE_PX, _EDGE_SHARE * (box[2] - box[0]))
    y_px = max(_EDGE_PX, _EDGE_SHARE * (box[3] - box[1]))
    return (
        sight[0] + x_px <= box[0]
        and sight[1] + y_px <= box[1]
        and box[2] <= sight[2] - x_px
        and box[3] <= sight[3] - y_px
    )


def _group_whole(views: Sequence[_View], overlaps: Overlaps) -> dict[int, list[int]]:
    """Return the best whole detections, each with the others of the same instance."""
    groups: dict[int, list[int]] = {}
    for place, view in enumerate(views):
        if view.is_cut:
            break
        same = [
            (-_iou(view.region, views[other].region, shared_px), other)
            for other, shared_px in overlaps[place].items()
            if other in groups
        ]
        nearest = min(same, default=(0.0, place))
        if nearest[0] < -_SAME:
            groups[nearest[1]].append(place)
        else:
            groups[place] = [place]
    return groups


def _iou(one: Region, other: Region, shared_px: float) -> float:
    return shared_px / (one.area_px + other.area_px - shared_px)


def _is_explained(
    place: int, views: Sequence[_View], overlaps: Overlaps, groups: dict[int, list[int]]
) -> bool:
    """Return whether a cut detection is a part of whole ones in other windows."""
    part = views[place]
    explained_px = 0.0
    for other, shared_px in overlaps[place].items():
        whole = views[other]
        if whole.is_cut or whole.window == part.window:
            continue
        if shared_px >= _PART * part.region.area_in(whole.window):
            return True
        if _is_left_over(part, whole, shared_px):
            return True
        explained_px += shared_px if other in groups else 0.0
    # The window that cuts two close instances may show them as one.
    return explained_px >= _PART * part.region.area_px


def _is_left_over(part: _View, whole: _View, shared_px: float) -> bool:
    """Return whether a part is little more than what its window's edge leaves of a whole one.

    Masks are off by a pixel or two, and the rest may be no wider than that.
    """
    if _shows(part.sight, whole.detection.box):
        return False
    left, top, right, bottom = part.region.box
    more_px = part.region.area_in(whole.window) - shared_px
    is_most = shared_px >= _PART * whole.region.area_in(part.window)
    return is_most and more_px <= _OFF_PX * (right - left + bottom - top)


def _group_parts(
    parts: Sequence[int], views: Sequence[_View], overlaps: Overlaps
) -> list[list[int]]:
    """Return the parts of each instance; those that agree best are joined first."""
    group_of = {place: [place] for place in parts}
    for _, one, other in sorted(_agreeing(parts, views, overlaps)):
        first, second = group_of[one], group_of[other]
        if first is second or _are_apart(first, second, views, overlaps):
            continue
        first += second
        group_of.update(dict.fromkeys(second, first))
    return list({id(group): group for group in group_of.values()}.values())


def _agreeing(
    parts: Sequence[int], views: Sequence[_View], overlaps: Overlaps
) -> Iterator[tuple[float, int, int]]:
    """Yield pairs of parts of one instance that agree where both windows show it."""
    among = set(parts)
    for one in parts:
        for other, shared_px in overlaps[one].items():
            if other < one or other not in among:
                continue
            first = views[one].region.area_in(views[other].window)
            second = views[other].region.area_in(views[one].window)
            if shared_px >= _PART * min(first, second):
                yield -shared_px / (first + second - shared_px), one, other


def _are_apart(
    first: Sequence[int], second: Sequence[int], views: Sequence[_View], overlaps: Overlaps
) -> bool:
    """Return whether a window shows parts of both side by side."""
    for one in first:
        for other in second:
            if views[one].window == views[other].window:
                least_px = min(views[one].region.area_px, views[other].region.area_px)
                if overlaps[one].get(other, 0.0) < _PART * least_px:
                    return True
    return False


def _whole(group: Sequence[_View]) -> _Found:
    """Return the best view that does not show a part as the whole, as one near an edge may."""
    boxes = [view.detection.box for view in group]
    sure = [view for view in group if all(_shows(view.sight, box) for box in boxes)]
    best = (sure or group)[0]
    return _Found(best.detection, best.region, tuple(view.sight for view in group))


def _united(group: Sequence[_View]) -> _Found:
    best = min(group, key=_rank)
    if len(group) == 1:
        return _Found(best.detection, best.region, ())
    boxes = np.array([view.detection.box for view in group])
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    box = (left, top, right, bottom)
    masks = [view.region for view in group if isinstance(view.region, RoiMask)]
    if not masks:
        return _Found(replace(best.detection, box=box), RoiBox(box), ())
    mask = unite(masks)
    return _Found(replace(best.detection, box=box, mask=mask), mask, ())


def _without_repeats(instances: Sequence[_Found]) -> list[_Found]:
    """Return the instances without those that repeat a better or larger one, or a part of it."""
    regions = [one.region for one in instances]
    overlaps = find_overlaps(regions, [one.detection.class_id for one in instances])
    kept: set[int] = set()
    # Whole ones come first; each kind is sorted by score.
    for place in range(len(instances)):
        near = ((other, px) for other, px in overlaps[place].items() if other in kept)
        if all(_iou(regions[place], regions[other], px) <= _SAME for other, px in near):
            kept.add(place)
    for place in sorted(kept, key=lambda place: (-regions[place].area_px, place)):
        around = ((other, px) for other, px in overlaps[place].items() if other in kept)
        if any(_lies_in(instances[place], instances[other], px) for other, px in around):
            kept.discard(place)
    return [instances[place] for place in sorted(kept)]


def _lies_in(small: _Found, large: _Found, shared_px: float) -> bool:
    """Return whether an instance is a part of a larger one, and no window separated them."""
    area_px = small.region.area_px
    if area_px > large.region.area_px or shared_px < _PART * area_px:
        return False
    if not small.sights:
        return True
    return bool(large.sights) and not any(
        _shows(sight, large.detection.box) for sight in small.sights
    )
