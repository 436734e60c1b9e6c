# SPDX-License-Identifier: Apache-2.0
"""The format ``counts``: a page for people, and the same table as CSV beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.data import Report, replace_file
from zoo.interfaces import LabelledImage, Labels
from zoo_geo_vectors.counting.counts import counts_of, table_of
from zoo_geo_vectors.counting.page import Part, page_of
from zoo_geo_vectors.features import Choices, features_of

__all__ = ["Counts"]


class Counts:
    """Number, total and median area of each class, for each image, as HTML and CSV.

    Args:
        options: Those of the row in the manifest, fields of `Choices`.

    Raises:
        DataError: A number is out of its range.
    """

    def __init__(self, **options: Any) -> None:
        self._choices = Choices(**options)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write the page, and a CSV of the same name beside it.

        Args:
            labels: What a model has found.
            out: The page.
            report: Receives objects that are left out.

        Raises:
            DataError: A class is unknown, or a file cannot be written.
        """
        images = _Seen([])
        found = features_of(
            replace(labels, images=images.of(labels)),
            self._choices,
            report,
            outlines=False,
            drawn=True,
        )
        classes = self._choices.classes or labels.classes
        by_image: dict[str, list[Any]] = {name: [] for name, _, _ in images.rows}
        for each in found.features:
            by_image[each.image].append(each)
        parts = [
            Part(
                name=name,
                size=size,
                features=by_image[name],
                counts=counts_of(by_image[name], classes, on_ground=has_place),
            )
            for name, size, has_place in images.rows
        ]
        are_placed = all(has_place for _, _, has_place in images.rows)
        total = counts_of(found.features, classes, on_ground=are_placed)
        table = table_of([(part.name, part.counts) for part in parts], labels.score_thr)
        colors = dict(zip(labels.classes, labels.palette, strict=False))
        replace_file(out.with_suffix(".csv"), table)
        remarks = report.summary().splitlines()
        replace_file(out, page_of(parts, total, colors, labels.score_thr, remarks))
        report.count("objects", len(found.features))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is to be known of images that pass by once, with objects or without."""

    rows: list[tuple[str, tuple[int, int] | None, bool]]

    def of(self, labels: Labels) -> Iterator[LabelledImage]:
        for image in labels.images:
            self.rows.append((image.name, image.size, image.crs is not None))
            yield image
