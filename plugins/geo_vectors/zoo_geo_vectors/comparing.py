# SPDX-License-Identifier: Apache-2.0
"""What differs between two results of one place: appeared, gone, changed, same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

import zoo
from zoo.errors import DataError
from zoo_geo_vectors.reading import Objects, read_objects

__all__ = ["CHANGES", "Change", "Changes", "compare"]

CHANGES = ("appeared", "gone", "changed", "same")
_PIECES = 64  # of an outline, to measure it on the ellipsoid


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An object of one result or of both.

    Attributes:
        change: ``appeared``, ``gone``, ``changed`` or ``same``.
        id_a: Its id in the earlier result; None if it has none, or is not there.
        id_b: Its id in the later result; None if it has none, or is not there.
        class_a: Its class in the earlier result, or None.
        class_b: Its class in the later result, or None.
        iou: Intersection over union of its two outlines; 0 if it is in one result alone.
        area_a_m2: Geodesic area in the earlier result; None if unknown, or not there.
        area_b_m2: Geodesic area in the later result; None if unknown, or not there.
        outline: That of the later result, if it is there, in the system of the earlier one.
    """

    change: str
    id_a: int | None
    id_b: int | None
    class_a: str | None
    class_b: str | None
    iou: float
    area_a_m2: float | None
    area_b_m2: float | None
    outline: Any


@dataclass(frozen=True, slots=True)
class Changes:
    """Two results compared.

    Attributes:
        earlier: The first result.
        later: The second one, in the reference system of the first.
        rows: Each object, once; those of the later result first, in its order.
    """

    earlier: Objects
    later: Objects
    rows: list[Change]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many objects of each class are in each result, and how many changed how.

        What is in the later result counts for its class there.
        """
        found: dict[str, Counter[str]] = {}
        for name in sorted({*self.earlier.classes, *self.later.classes}):
            found[name] = Counter(
                a=self.earlier.classes.count(name), b=self.later.classes.count(name)
            )
        for row in self.rows:
            label = row.class_a if row.class_b is None else row.class_b
            found[str(label)][row.change] += 1
        keys = ("a", "b", *CHANGES)
        return {name: {key: counts[key] for key in keys} for name, counts in found.items()}


def compare(
    earlier: str | Path, later: str | Path, *, match: float = 0.3, same: float = 0.8
) -> Changes:
    """Compare two results of one place.

    Two objects are one if their IoU is at least ``match``; of several, those of the highest IoU,
    each once. One of another class, or whose IoU is below ``same``, has changed.

    Args:
        earlier: A file of vectors, or the output folder of ``zoo predict``.
        later: The other one; its reference system may differ.
        match: Least IoU of one object in both results, in ``(0, 1]``.
        same: Least IoU of an object that has not changed, from ``match`` to 1.

    Raises:
        DataError: A result cannot be read, the two lie apart, or a threshold is out of its range.
    """
    if not 0 < match <= same <= 1:
        message = f"cannot compare with a match of {match} and a same of {same}: "
        message += "expected 0 < match <= same <= 1."
        raise DataError(message, where="--match, --same", hint="leave both out for 0.3 and 0.8.")
    first = read_objects(Path(earlier))
    second = read_objects(Path(later)).in_crs(first.crs)
    _check_place(first, second)
    pairs = _pairs(first, second, match)
    ground = zoo.ground_area_of(first.crs.to_wkt())

    def area_m2(shape: Any) -> float | None:
        found = None if ground is None else ground.of(shape, step=shape.length / _PIECES)
        return None if found is None else round(found, 3)

    rows, partners = [], {}
    for b, shape in enumerate(second.shapes):
        a, iou = pairs.get(b, (None, 0.0))
        label, before = second.classes[b], None if a is None else first.classes[a]
        is_same = before == label and iou >= same
        if a is not None:
            partners[a] = b
        rows.append(
            Change(
                change="appeared" if a is None else "same" if is_same else "changed",
                id_a=None if a is None else first.ids[a],
                id_b=second.ids[b],
                class_a=before,
                class_b=label,
                iou=round(iou, 4),
                area_a_m2=None if a is None else area_m2(first.shapes[a]),
                area_b_m2=area_m2(shape),
                outline=shape,
            )
        )
    for a, shape in enumerate(first.shapes):
        if a not in partners:
            rows.append(
                Change(
                    change="gone",
                    id_a=first.ids[a],
                    id_b=None,
                    class_a=first.classes[a],
                    class_b=None,
                    iou=0.0,
                    area_a_m2=area_m2(shape),
                    area_b_m2=None,
                    outline=shape,
                )
            )
    return Changes(first, second, rows)


def _check_place(first: Objects, second: Objects) -> None:
    if not (first.shapes and second.shapes):
        return
    boxes = [shapely.box(*shapely.total_bounds(each.shapes)) for each in (first, second)]
    if not boxes[0].intersects(boxes[1]):
        message = f"cannot compare {first.path.name!r} with {second.path.name!r}: "
        message += "they lie in different places."
        raise DataError(message, path=second.path, hint="give two results of one place.")


def _pairs(first: Objects, second: Objects, match: float) -> dict[int, tuple[int, float]]:
    """Return the objects that are one: number in the second -> number in the first, IoU."""
    if not (first.shapes and second.shapes):
        return {}
    a_shapes, b_shapes = (np.array(each.shapes, object) for each in (first, second))
    a_areas, b_areas = shapely.area(a_shapes), shapely.area(b_shapes)
    b, a = shapely.STRtree(a_shapes).query(b_shapes)
    # An IoU is at most the smaller area by the larger: a field and a house in it need no look.
    low, high = np.minimum(a_areas[a], b_areas[b]), np.maximum(a_areas[a], b_areas[b])
    is_like = low >= match * high
    a, b = a[is_like], b[is_like]
    shared = shapely.area(shapely.intersection(a_shapes[a], b_shapes[b]))
    iou = shared / (a_areas[a] + b_areas[b] - shared)
    found: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for place in np.lexsort((a, b, -iou)).tolist():
        one, other = int(a[place]), int(b[place])
        if iou[place] >= match and one not in taken and other not in found:
            found[other] = (one, float(iou[place]))
            taken.add(one)
    return found
