# SPDX-License-Identifier: Apache-2.0
"""Number, total and median area of the objects of each class."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

from zoo_geo_vectors.features import Feature

__all__ = ["Count", "counts_of", "table_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The objects of one class.

    Attributes:
        objects: How many.
        area_px: Their total area.
        median_px: The median of their areas; None without any.
        area_m2: Their total geodesic area; None if that of one is unknown.
        median_m2: The median of these; None without any, or if one is unknown.
    """

    objects: int
    area_px: float
    median_px: float | None
    area_m2: float | None
    median_m2: float | None


def counts_of(
    features: Sequence[Feature], classes: Sequence[str], *, on_ground: bool
) -> dict[str, Count]:
    """Return the count of each class, including those without objects.

    Args:
        features: The objects.
        classes: Names of the classes.
        on_ground: Whether areas on the ground are known where there are no objects.
    """
    return {
        name: _count_of([each for each in features if each.label == name], on_ground=on_ground)
        for name in classes
    }


def table_of(rows: Sequence[tuple[str, Mapping[str, Count]]], score_thr: float | None) -> bytes:
    """Return a CSV with a row for each class of each image.

    Args:
        rows: Name of each image, and its counts.
        score_thr: Least score of the objects; None for a label map.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [field.name for field in fields(Count)]
    writer.writerow(["image", "class", *names, "score_thr"])
    writer.writerows(_rows(rows, score_thr))
    return stream.getvalue().encode()


def _rows(
    rows: Sequence[tuple[str, Mapping[str, Count]]], score_thr: float | None
) -> Iterator[list[str | int | float | None]]:
    for image, counts in rows:
        for name, count in counts.items():
            yield [image, name, *astuple(count), score_thr]


def _count_of(features: Sequence[Feature], *, on_ground: bool) -> Count:
    in_px = [each.measures["area_px"] or 0.0 for each in features]
    in_m2 = [each.measures.get("area_m2") for each in features]
    known = [area for area in in_m2 if area is not None]
    is_known = on_ground and len(known) == len(in_m2)
    return Count(
        objects=len(features),
        area_px=round(sum(in_px), 2),
        median_px=round(statistics.median(in_px), 2) if in_px else None,
        area_m2=round(sum(known), 3) if is_known else None,
        median_m2=round(statistics.median(known), 3) if is_known and known else None,
    )
