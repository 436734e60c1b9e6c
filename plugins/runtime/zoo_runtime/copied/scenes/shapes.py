# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.geometry.shapes, by tools/runtime_copies.py.
"""Outlines made from boxes, for data with boxes only."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

from zoo_runtime.errors import DataError

__all__ = [
    "Box",
    "BoxMasks",
    "box_polygon",
    "cut_polygon",
    "ellipse_polygon",
    "polygon_from_box",
]

Box = tuple[float, float, float, float]
BoxMasks = Literal["ellipse", "box"]
Point = tuple[float, float]

_MOST_DEVIATION_PX = 0.2
_SLACK_PX = 0.0029  # 0.01 px more with the rounding of vertices
_LEAST_SIDE_PX = 2.0
_MOST_VERTICES = 4096  # accurate to 0.2 px up to a side of two million px
_FARTHEST_PX = 1e9  # coordinates are clipped to this, so that differences do not overflow


def box_polygon(box: Box) -> list[float]:
    """Return the four corners of a box as ``[x, y, x, y, ...]``.

    Args:
        box: xyxy in px, half-open.
    """
    left, top, right, bottom = map(_hold, box)
    return [left, top, right, top, right, bottom, left, bottom]


def ellipse_polygon(box: Box) -> list[float]:
    """Return the ellipse inscribed in a box as ``[x, y, x, y, ...]``, rounded to 0.01 px.

    The polygon has the same area as the ellipse: its vertices are outside and its edges inside.
    The number of vertices, a multiple of four and at most 4096, keeps them within 0.2 px of the
    ellipse: 16 for 18 px and 32 for 108 px. Edges face the four sides, so the polygon never leaves
    the box.

    Args:
        box: xyxy in px, half-open.

    Source:
        A regular n-gon of circumradius s has the area ``n s^2 sin(2 pi / n) / 2``. Equal to
        ``pi`` that is ``s = 1 + (pi^2 / 3) / n^2 + O(n^-4)``: the vertices of an ellipse of
        semi-axis r are off by ``3.29 r / n^2``.
    """
    left, top, right, bottom = map(_hold, box)
    radius_x, radius_y = (right - left) / 2, (bottom - top) / 2
    longer_px = max(radius_x, radius_y)
    number = 4 * max(2, math.ceil(math.sqrt(math.pi**2 / 3 * longer_px / _MOST_DEVIATION_PX) / 4))
    # With few vertices, the formula is short by up to 5 %.
    if longer_px * (_scale(number) - 1) > _MOST_DEVIATION_PX + _SLACK_PX:
        number += 4
    number = min(number, _MOST_VERTICES)
    step, scale = 2 * math.pi / number, _scale(number)
    points = []
    for index in range(number):
        angle = (index + 0.5) * step
        points.append(round(left + radius_x * (1 + scale * math.cos(angle)), 2))
        points.append(round(top + radius_y * (1 + scale * math.sin(angle)), 2))
    return points


def _scale(number: int) -> float:
    """Return the circumradius of a regular polygon with the area of the unit circle."""
    step = 2 * math.pi / number
    return math.sqrt(step / math.sin(step))


def polygon_from_box(box: Box, masks: str) -> list[float]:
    """Return the outline for a box: its inscribed ellipse or the box itself.

    Args:
        box: xyxy in px, half-open. A box narrower than 2 px is always kept as a box: so small an
            ellipse may contain no pixel.
        masks: ``ellipse`` or ``box``.

    Raises:
        DataError: ``masks`` is something else.
    """
    if masks not in ("ellipse", "box"):
        message = f"cannot make masks from boxes with {masks!r}: expected 'ellipse' or 'box'."
        raise DataError(message, where="--masks", hint="give --masks ellipse or --masks box.")
    side_px = min(box[2] - box[0], box[3] - box[1])
    if masks == "box" or side_px < _LEAST_SIDE_PX:
        return box_polygon(box)
    return ellipse_polygon(box)


def cut_polygon(polygon: list[float], box: Box) -> list[float]:
    """Return the part of an outline inside a box, or ``[]``.

    If an outline leaves the box and returns, edges along the sides of the box join the parts.

    Args:
        polygon: ``[x, y, x, y, ...]`` in px.
        box: xyxy in px.

    Source:
        Sutherland and Hodgman 1974, "Reentrant polygon clipping".
    """
    held = [_hold(value) for value in polygon]
    points = list(zip(held[::2], held[1::2], strict=True))
    for axis in (0, 1):
        points = _cut_side(points, axis, box[axis], 1)
        points = _cut_side(points, axis, box[axis + 2], -1)
    return [value for point in points for value in point]


def _cut_side(points: list[Point], axis: int, limit: float, sign: int) -> list[Point]:
    """Return the part of an outline on one side of a line; ``sign`` 1 keeps larger values."""
    kept: list[Point] = []
    for first, second in pairwise([*points[-1:], *points]):
        before, after = sign * (first[axis] - limit), sign * (second[axis] - limit)
        if (before < 0) != (after < 0):
            other = first[1 - axis] + (second[1 - axis] - first[1 - axis]) * (
                before / (before - after)
            )
            kept.append((limit, other) if axis == 0 else (other, limit))
        if after >= 0:
            kept.append(second)
    return kept


def _hold(value: float) -> float:
    return max(-_FARTHEST_PX, min(value, _FARTHEST_PX))
