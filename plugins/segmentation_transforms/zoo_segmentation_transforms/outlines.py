# SPDX-License-Identifier: Apache-2.0
"""Convert pixel masks to outlines along the edges of their pixels, including holes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["flatten_shape", "join_rings", "outline_pixels", "shape_of"]

_Ring = list[tuple[int, int]]
_RIGHT, _DOWN, _LEFT, _UP = (1, 0), (0, 1), (-1, 0), (0, -1)


def outline_pixels(pixels: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return the outlines of a mask, one for each 4-connected part.

    They run along the pixels' edges, so they cover exactly the same pixels. A hole is part of the
    ring around it (:func:`join_rings`), because polygons in mmdet and COCO cannot have holes.

    Args:
        pixels: ``(h, w)``, nonzero inside.

    Returns:
        ``x0, y0, x1, y1, ...`` of each part in px, where pixel k is ``[k, k + 1)``.
    """
    filled = (np.asarray(pixels) != 0).astype(np.uint8)
    _, parts = cv2.connectedComponents(filled, connectivity=4)
    exteriors: dict[int, NDArray[np.float64]] = {}
    holes: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    for ring in _trace(filled):
        part = int(parts[_pixel_beside(ring[-1], ring[0])])
        points = np.array(ring, np.float64)
        if _area(points) > 0:  # holes run the other way round
            exteriors[part] = points
        else:
            holes[part].append(points)
    return [join_rings(ring, holes[part]) for part, ring in exteriors.items()]


def join_rings(
    exterior: NDArray[np.float64], holes: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return one ring of an outline and its holes, flat: ``x0, y0, x1, y1, ...``.

    The ring visits each hole by a bridge, once in each direction. Under the even-odd rule, which
    pycocotools and :func:`shape_of` use, the ring covers the outline without its holes.

    Args:
        exterior: ``(n, 2)``, without repeating its first point.
        holes: ``(n, 2)`` each.
    """
    parts, start = [exterior], exterior[:1]
    for hole in holes:
        parts += [start, hole, hole[:1]]
    if holes:
        parts.append(start)
    return np.concatenate(parts).ravel()


def shape_of(polygons: Sequence[NDArray[Any]]) -> Any:
    """Return one valid shapely geometry of an instance's polygons.

    Each polygon is filled by the even-odd rule; the instance is their union.

    Args:
        polygons: ``x0, y0, x1, y1, ...`` of each, in px.
    """
    return shapely.union_all([_fill(np.asarray(p, np.float64).reshape(-1, 2)) for p in polygons])


def _fill(points: NDArray[np.float64]) -> Any:
    filled = shapely.Polygon()
    for loop in _loops(points):
        shape = shapely.make_valid(shapely.Polygon(loop))
        filled = shape if filled.is_empty else shapely.symmetric_difference(filled, shape)
    return filled


def _loops(points: NDArray[np.float64]) -> Iterator[list[tuple[float, float]]]:
    """Split a ring into loops that visit no point twice."""
    way: list[tuple[float, float]] = []
    places: dict[tuple[float, float], int] = {}
    for x, y in points.tolist():
        begin = places.get((x, y))
        if begin is None:
            places[x, y] = len(way)
            way.append((x, y))
            continue
        loop = way[begin:]
        for point in loop[1:]:
            del places[point]
        del way[begin + 1 :]
        if len(loop) > 2:
            yield loop
    if len(way) > 2:
        yield way


def flatten_shape(shape: Any) -> list[NDArray[np.float64]]:
    """Return ``x0, y0, x1, y1, ...`` of each polygon in a shapely geometry, with joined holes.

    Args:
        shape: Any geometry; parts that are not polygons are dropped.
    """
    found = []
    for part in shapely.get_parts(shape):
        if part.area > 0:
            rings = [np.asarray(r.coords)[:-1] for r in (part.exterior, *part.interiors)]
            found.append(join_rings(rings[0], rings[1:]))
    return found


def _pixel_beside(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Return row and column of the pixel to the right of a line's first step."""
    (x, y), (to_x, to_y) = one, other
    return (y if to_x > x or to_y > y else y - 1), (x if to_x > x or to_y < y else x - 1)


def _trace(filled: NDArray[np.uint8]) -> list[_Ring]:
    """Return the corners of every closed line along the mask, with the inside on the right."""
    ways = _ways(filled)
    rings = []
    while ways:
        start = next(iter(ways))
        rings.append(_walk(ways, start))
    return rings


def _walk(ways: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]) -> _Ring:
    """Return the corners of the line that starts at a point, and remove its steps."""
    here, ring = start, []
    first = way = ways[start][0]
    while True:
        ways[here].remove(way)
        if not ways[here]:
            del ways[here]
        here = (here[0] + way[0], here[1] + way[1])
        choices = [*ways.get(here, ()), *([first] if here == start else [])]
        # Where two pixels touch at a corner, turn right, as they are separate parts.
        turns = ((-way[1], way[0]), way, (way[1], -way[0]))
        turn = next(step for step in turns if step in choices)
        if turn != way:
            ring.append(here)
        if here == start and turn == first:
            return ring
        way = turn


def _ways(filled: NDArray[np.uint8]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return the pixel edges that start at each corner, with the pixel on the right."""
    padded = np.pad(filled, 1).astype(np.int8)
    ways: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    across, along = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    for change, step, shift in ((1, _RIGHT, (0, 0)), (-1, _LEFT, (1, 0))):
        rows, columns = np.nonzero(across == change)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            ways[column + shift[0], row].append(step)
    for change, step, shift in ((1, _UP, (0, 1)), (-1, _DOWN, (0, 0))):
        rows, columns = np.nonzero(along == change)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            ways[column, row + shift[1]].append(step)
    return dict(ways)


def _area(ring: NDArray[np.float64]) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
