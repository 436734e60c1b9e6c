# SPDX-License-Identifier: Apache-2.0
"""Outlines with fewer points: no point of the old one lies further from the new one than stated.

Outlines along the edges of pixels are stairs. First they are led through the middles of these
edges, which turns the stairs of a diagonal into a line; then points are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon
from shapely.geometry.polygon import orient

__all__ = ["simplified", "simplified_together"]

_CUT_PX = math.sqrt(2) / 4  # a corner lies this far from the line through the middles of its edges
_SHARES = (1.0, 0.75, 0.5, 0.0)  # of the tolerance; the next where parts, holes or distance differ
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
        Douglas and Peucker 1973, with the topology kept as by JTS's TopologyPreservingSimplifier.
    """
    if not outlines or tolerance <= 0:
        return list(outlines)
    border = shapely.union_all(shapely.boundary(np.array(outlines)))
    arcs = shapely.get_parts(shapely.line_merge(border))
    sides = _sides_of(arcs, outlines)
    for lines, rest in _attempts(arcs, tolerance, is_stairs=is_stairs):
        found = _assembled(_thinned(lines, rest), sides, len(outlines))
        if found is not None and all(
            _shape_of(new) == _shape_of(old) and _is_within(old, new, tolerance)
            for new, old in zip(found, outlines, strict=True)
        ):
            return found
    return list(outlines)


def _attempts(arcs: Any, tolerance: float, *, is_stairs: bool) -> Iterator[tuple[Any, float]]:
    """Yield lines and how far they may still be simplified, the best first."""
    if is_stairs and tolerance >= _CUT_PX:
        cut, sure = _through_middles(arcs), tolerance - _CUT_PX
        # Corners lie closer than their farthest, so that more may do; what does not is refused.
        yield from ((cut, rest) for rest in (tolerance, (tolerance + sure) / 2))
        yield from ((cut, share * sure) for share in _SHARES)
    yield from ((arcs, share * tolerance) for share in _SHARES if share)


def _thinned(lines: Any, tolerance: float) -> Any:
    if not tolerance:
        return lines
    several = shapely.multilinestrings(lines)
    return shapely.get_parts(shapely.simplify(several, tolerance, preserve_topology=True))


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


def _assembled(arcs: Any, sides: NDArray[np.int64], count: int) -> list[Any] | None:
    """Return the polygon of each number from its arcs; None if one is not there just once."""
    inside: dict[Any, int] = {}
    for arc, (left, right) in zip(arcs, sides.tolist(), strict=True):
        for start, end in pairwise(map(tuple, shapely.get_coordinates(arc).tolist())):
            inside[start, end], inside[end, start] = left, right
    found: list[Any] = [None] * count
    for face in map(orient, shapely.get_parts(shapely.polygonize(arcs))):
        start, end = map(tuple, shapely.get_coordinates(face.exterior)[:2].tolist())
        number = inside.get((start, end), -1)
        if number < 0:
            continue
        if found[number] is not None:
            return None
        found[number] = face
    return None if any(face is None for face in found) else found


def _shape_of(outline: Any) -> tuple[int, int] | None:
    """Return the numbers of parts and of holes of a valid outline, or None."""
    if not shapely.is_valid(outline):
        return None
    parts = shapely.get_parts(outline)
    return len(parts), int(shapely.get_num_interior_rings(parts).sum())


def _is_within(old: Any, new: Any, tolerance: float) -> bool:
    border = shapely.boundary(new)
    shapely.prepare(border)
    points = shapely.points(shapely.get_coordinates(shapely.segmentize(old, 0.5)))
    return bool(shapely.dwithin(border, points, tolerance + _ROUNDING).all())
