# SPDX-License-Identifier: Apache-2.0
"""Parts of one object that a tool keeps as shapes of one group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from zoo.data import Report, box_polygon
from zoo.interfaces import LabelledObject, LabelledPolygon
from zoo_label_exchange.masks import filled, from_pixels, to_pixels

__all__ = ["Part", "joined"]

MIXED = "parts of one object are polygons and masks: joined as a mask"
BOXED = "box in a group of parts: taken as a region"


class Part(NamedTuple):
    """A shape, and the group that it belongs to.

    Attributes:
        shape: It alone, as an object.
        group: Name of the group in its image; None for an object of one part.
    """

    shape: LabelledObject
    group: str | None


def joined(
    parts: Iterable[Part], size: tuple[int, int] | None, report: Report
) -> tuple[LabelledObject, ...]:
    """Return shapes as objects: those of one label and group are one, at the first one's place.

    Args:
        parts: The shapes of an image.
        size: Width and height of the image in px, if known.
        report: Receives objects of polygons and masks, which become masks, and boxes among them.
    """
    groups: dict[tuple[str, object], list[LabelledObject]] = {}
    for number, part in enumerate(parts):
        key = number if part.group is None else part.group
        groups.setdefault((part.shape.label, key), []).append(part.shape)
    return tuple(_joined(shapes, size, report) for shapes in groups.values())


def _joined(
    shapes: list[LabelledObject], size: tuple[int, int] | None, report: Report
) -> LabelledObject:
    first = shapes[0]
    if len(shapes) == 1:
        return first
    shapes = [_as_region(shape, report) for shape in shapes]
    if all(shape.polygons for shape in shapes):
        polygons = tuple(polygon for shape in shapes for polygon in shape.polygons)
        return LabelledObject(label=first.label, polygons=polygons, source=first.source)
    if size is None:
        size = next(tuple(shape.rle["size"][::-1]) for shape in shapes if shape.rle)
    if any(shape.polygons for shape in shapes):
        report.repair(first.source, MIXED)
    pixels = np.any([to_pixels(filled(shape, size)) for shape in shapes], axis=0)
    return LabelledObject(label=first.label, rle=from_pixels(pixels), source=first.source)


def _as_region(shape: LabelledObject, report: Report) -> LabelledObject:
    if shape.polygons or shape.rle is not None or shape.box is None:
        return shape
    report.repair(shape.source, BOXED)
    outline = LabelledPolygon(outline=tuple(box_polygon(shape.box)))
    return LabelledObject(label=shape.label, polygons=(outline,), source=shape.source)
