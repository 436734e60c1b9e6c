# SPDX-License-Identifier: Apache-2.0
"""Outlines as tools write them: checked, and mended where they cross themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from shapely import make_valid
from shapely.geometry import GeometryCollection, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from zoo.data import Report
from zoo.interfaces import LabelledPolygon

__all__ = [
    "CROSSES",
    "NO_AREA",
    "NO_NUMBER",
    "ellipse",
    "read_box",
    "read_outline",
    "rotated_box",
]

CROSSES = "outline crosses itself: mended"
NO_AREA = "outline has no area"
NO_NUMBER = "outline has a coordinate that is no finite number"

_MOST_PX = 1e9
_LEAST_POINTS = 3
_STEPS = 64

Point = tuple[float, float]


def read_outline(
    points: Iterable[Sequence[object]], where: str, report: Report
) -> tuple[LabelledPolygon, ...]:
    """Return an outline as polygons: one, several if it crosses itself, none if it has no area.

    A last point that repeats the first is left out. An outline that crosses itself is mended by
    the even-odd rule.

    Args:
        points: Pairs of x and y in px.
        where: The outline, for the report.
        report: Receives what is left out or mended.
    """
    corners = _numbers(points)
    if corners is None:
        report.drop(where, NO_NUMBER)
        return ()
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    if len(set(corners)) < _LEAST_POINTS:
        report.drop(where, NO_AREA)
        return ()
    shape = Polygon(corners)
    if shape.is_valid and shape.area > 0:
        return (LabelledPolygon(outline=_flat(corners)),)
    mended = tuple(map(_polygon, _parts(make_valid(shape))))
    if mended:
        report.repair(where, CROSSES)
    else:
        report.drop(where, NO_AREA)
    return mended


def read_box(
    corners: Iterable[object], where: str, report: Report
) -> tuple[float, float, float, float] | None:
    """Return a box as xyxy in px, or None if a corner is no finite number.

    Args:
        corners: Left, top, right and bottom in px.
        where: The box, for the report.
        report: Receives a box that is left out.
    """
    left, top, right, bottom = corners
    points = _numbers([(left, top), (right, bottom)])
    if points is None:
        report.drop(where, NO_NUMBER)
        return None
    return (*points[0], *points[1])


def ellipse(centre: Point, radii: Point, turn_degrees: float = 0.0) -> list[Point]:
    """Return an ellipse as 64 points, which lie on it.

    Args:
        centre: x and y in px.
        radii: Half the width and half the height in px, before it is turned.
        turn_degrees: Clockwise on the screen.
    """
    angles = [2 * math.pi * step / _STEPS for step in range(_STEPS)]
    points = [(radii[0] * math.cos(angle), radii[1] * math.sin(angle)) for angle in angles]
    return [_turned(point, centre, turn_degrees) for point in points]


def rotated_box(
    box: tuple[float, float, float, float], pivot: Point, turn_degrees: float
) -> list[Point]:
    """Return the four corners of a box that is turned.

    Args:
        box: xyxy in px, before it is turned.
        pivot: The point that it is turned about.
        turn_degrees: Clockwise on the screen.
    """
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    away = [(x - pivot[0], y - pivot[1]) for x, y in corners]
    return [_turned(point, pivot, turn_degrees) for point in away]


def _turned(point: Point, pivot: Point, degrees: float) -> Point:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = point
    return pivot[0] + x * cos - y * sin, pivot[1] + x * sin + y * cos


def _numbers(points: Iterable[Sequence[object]]) -> list[Point] | None:
    corners = []
    for point in points:
        try:
            x, y = (float(value) for value in point)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return None
        if not (abs(x) <= _MOST_PX and abs(y) <= _MOST_PX):  # also refuses nan
            return None
        corners.append((x, y))
    return corners


def _parts(shape: BaseGeometry) -> Iterator[Polygon]:
    """Yield the polygons of what `make_valid` returned, without lines and points."""
    if isinstance(shape, Polygon):
        if shape.area > 0:
            yield shape
    elif isinstance(shape, (MultiPolygon, GeometryCollection)):
        for part in shape.geoms:
            yield from _parts(part)


def _polygon(shape: Polygon) -> LabelledPolygon:
    rings = [list(ring.coords)[:-1] for ring in (shape.exterior, *shape.interiors)]
    return LabelledPolygon(outline=_flat(rings[0]), holes=tuple(map(_flat, rings[1:])))


def _flat(points: Iterable[Sequence[float]]) -> tuple[float, ...]:
    return tuple(np.asarray(list(points), float).ravel().tolist())
