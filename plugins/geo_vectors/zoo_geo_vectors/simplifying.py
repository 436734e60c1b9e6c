# SPDX-License-Identifier: Apache-2.0
"""Outlines with fewer points: no point of the old one lies further from the new one than stated.

Outlines along the edges of pixels are stairs. First they are led through the middles of these
edges, which turns the stairs of a diagonal into a line; then points are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon
from shapely.geometry.polygon import orient

__all__ = ["simplified", "simplified_together"]

_CUT_PX = math.sqrt(2) / 4  # a corner lies this far from the line through the middles of its edges
_SHARES = (1.0, 0.5, 0.0)  # of the tolerance
_ROUNDING = 1e-9


def simplified(outline: Any, tolerance: float, *, is_stairs: bool) -> Any:
    """Return an outline with fewer points, and with all its parts and holes; valid.

    Args:
        outline: A valid polygon or multipolygon.
        tolerance: Largest distance of a point of the old outline from the new one, in px.
        is_stairs: Whether it runs along the edges of pixels.
    """
    parts = list(shapely.get_parts(outline))
    found = simplified_together(parts, tolerance, is_stairs=is_stairs)
    return found[0] if len(found) == 1 else MultiPolygon(found)


def simplified_together(outlines: Sequence[Any], tolerance: float, *, is_stairs: bool) -> list[Any]:
    """Return polygons with fewer points; neighbours keep their common borders.

    Args:
        outlines: Valid polygons that overlap nowhere.
        tolerance: Largest distance of a point of an old border from the new one, in px.
        is_stairs: Whether they run along the edges of pixels.

    Source:
        Douglas and Peucker 1973, for each border between two neighbours. Where borders would meet,
        or parts and holes would change, less is left out of them.
    """
    if not outlines or tolerance <= 0:
        return list(outlines)
    border = shapely.union_all(shapely.boundary(np.array(outlines)))
    arcs = shapely.get_parts(shapely.line_merge(border))
    sides = _sides_of(arcs, outlines)
    wanted = [_shape_of(outline) for outline in outlines]
    levels = _levels(arcs, tolerance, is_stairs=is_stairs)
    level, drawn = np.zeros(len(arcs), int), levels[0].copy()
    for _ in range(2 * len(levels)):
        bad = _too_far(arcs, drawn, tolerance) | ~shapely.is_simple(drawn) | _meeting(drawn)
        if not bad.any():
            found = _assembled(drawn, sides, len(outlines))
            is_other = [_shape_of(new) != old for new, old in zip(found, wanted, strict=True)]
            if not any(is_other):
                return found
            bad = np.append(is_other, False)[sides].any(axis=1)  # -1, no polygon, is the last
        level[bad] = np.minimum(level[bad] + 1, len(levels) - 1)
        for number in np.flatnonzero(bad):
            drawn[number] = levels[level[number]][number]
    return list(outlines)


def _levels(arcs: Any, tolerance: float, *, is_stairs: bool) -> list[Any]:
    """Return the arcs with ever more points; the last ones are the arcs themselves."""
    ways = [(arcs, share * tolerance) for share in _SHARES]
    if is_stairs and tolerance >= _CUT_PX:
        cut, sure = _through_middles(arcs), tolerance - _CUT_PX
        # Corners lie closer than their farthest, so that more may do; what does not is refused.
        more = [tolerance, (tolerance + sure) / 2, *(share * sure for share in _SHARES)]
        ways = [*((cut, rest) for rest in more), ways[-1]]
    return [
        shapely.simplify(lines, rest, preserve_topology=True) if rest else lines
        for lines, rest in ways
    ]


def _too_far(arcs: Any, drawn: Any, tolerance: float) -> Any:
    """Return for each arc whether a point of it lies too far from what is drawn of it."""
    points, numbers = shapely.get_coordinates(shapely.segmentize(arcs, 0.5), return_index=True)
    shapely.prepare(drawn)
    near = shapely.dwithin(drawn[numbers], shapely.points(points), tolerance + _ROUNDING)
    far = np.zeros(len(arcs), bool)
    far[numbers[~near]] = True
    return far


def _meeting(drawn: Any) -> Any:
    """Return for each line whether it meets another one elsewhere than at an end of both."""
    one, other = shapely.STRtree(drawn).query(drawn, predicate="intersects")
    one, other = one[one < other], other[one < other]
    shared = shapely.intersection(drawn[one], drawn[other])
    ends = [{*map(tuple, shapely.get_coordinates(line)[[0, -1]].tolist())} for line in drawn]
    bad = np.zeros(len(drawn), bool)
    for a, b, where in zip(one.tolist(), other.tolist(), shared, strict=True):
        points = {*map(tuple, shapely.get_coordinates(where).tolist())}
        if not points <= ends[a] & ends[b] or shapely.length(where):
            bad[[a, b]] = True
    return bad


def _through_middles(arcs: Any) -> Any:
    """Return each arc through the middles of its pixel edges; where several meet, the ends stay."""
    ends = shapely.get_coordinates([shapely.get_point(arcs, 0), shapely.get_point(arcs, -1)])
    _, which, counts = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    is_alone = (counts[which.ravel()] == 2)[: len(arcs)] & shapely.is_closed(arcs)
    lines = []
    for arc, alone in zip(arcs, is_alone.tolist(), strict=True):
        points = shapely.get_coordinates(shapely.segmentize(arc, 1.0))
        middles = (points[:-1] + points[1:]) / 2
        around = (middles, middles[:1]) if alone else (points[:1], middles, points[-1:])
        lines.append(shapely.linestrings(_bends(np.concatenate(around))))
    return np.array(lines)


def _bends(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line without the points inside its straight parts; its ends stay."""
    steps = np.diff(points, axis=0)
    turns = steps[:-1, 0] * steps[1:, 1] != steps[:-1, 1] * steps[1:, 0]
    kept: NDArray[np.float64] = points[np.concatenate([[True], turns, [True]])]
    return kept


def _sides_of(arcs: Any, outlines: Sequence[Any]) -> NDArray[np.int64]:
    """Return the polygons left and right of each arc, ``(N, 2)``; -1 for none."""
    first, second = (shapely.get_coordinates(shapely.get_point(arcs, place)) for place in (0, 1))
    along = second - first
    lengths = np.hypot(along[:, 0], along[:, 1])
    normal = np.column_stack([-along[:, 1], along[:, 0]]) / lengths[:, None]
    normal *= np.minimum(0.25, lengths / 1e3)[:, None]
    sides = np.full((len(arcs), 2), -1)
    tree = shapely.STRtree(outlines)
    for side, sign in enumerate((1, -1)):
        points = shapely.points((first + second) / 2 + sign * normal)
        asked, found = tree.query(points, predicate="within")
        sides[asked, side] = found
    return sides


def _assembled(arcs: Any, sides: NDArray[np.int64], count: int) -> list[Any]:
    """Return the polygon of each number from its arcs; None for one that is not there just once."""
    inside: dict[Any, int] = {}
    for arc, (left, right) in zip(arcs, sides.tolist(), strict=True):
        for start, end in pairwise(map(tuple, shapely.get_coordinates(arc).tolist())):
            inside[start, end], inside[end, start] = left, right
    found: list[list[Any]] = [[] for _ in range(count)]
    for face in map(orient, shapely.get_parts(shapely.polygonize(arcs))):
        start, end = map(tuple, shapely.get_coordinates(face.exterior)[:2].tolist())
        number = inside.get((start, end), -1)
        if number >= 0:
            found[number].append(face)
    return [faces[0] if len(faces) == 1 else None for faces in found]


def _shape_of(outline: Any) -> tuple[int, int] | None:
    """Return the numbers of parts and of holes of a valid outline, or None."""
    if outline is None or not shapely.is_valid(outline):
        return None
    parts = shapely.get_parts(outline)
    return len(parts), int(shapely.get_num_interior_rings(parts).sum())
