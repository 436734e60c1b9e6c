# SPDX-License-Identifier: Apache-2.0
"""labelme: one JSON for each image, beside it."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data import Report, Source, decode_image
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_label_exchange.joining import Part, joined
from zoo_label_exchange.label_files import LabelFile, classes_of, is_size
from zoo_label_exchange.masks import from_pixels
from zoo_label_exchange.shapes import NO_NUMBER, ellipse, read_box, read_outline

__all__ = ["Labelme"]

IGNORED = "label '__ignore__' marks what is no object"
NO_LABEL = "shape has no label"
BAD_MASK = "mask is no picture of its box"
NO_SIZE = "mask in an image of unknown size"


class Labelme:
    """labelme's JSON files.

    Polygons, circles and masks are objects; a rectangle is a box alone. Shapes of one label and
    ``group_id`` are parts of one object, as in labelme's own converters. Flags of the image that
    are set are its tags.

    Source:
        labelme/utils/shape.py of https://github.com/wkentaro/labelme: a mask lies at its first
        point, and its second is inside.
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the image of each file.

        Args:
            source: A folder or a zip.
            files: JSON files.
            report: Receives shapes that are no regions, and what is mended.

        Raises:
            DataError: A file is not labelme's.
        """
        images = [_read(LabelFile(source, path, "labelme"), report) for path in files]
        return Labels(classes=classes_of(images), images=images)


def _read(file: LabelFile, report: Report) -> LabelledImage:
    content = file.json()
    shapes = content.get("shapes") if isinstance(content, dict) else None
    name = content.get("imagePath") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not isinstance(name, str) or not name:
        file.refuse("it has no list 'shapes' with an 'imagePath'")
    size = _size(content)
    parts = []
    for number, shape in enumerate(shapes, 1):
        where = f"{file.path}:shape {number}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            file.refuse(f"shape {number} has no label")
        if shape["label"] in ("", "__ignore__"):
            report.drop(where, IGNORED if shape["label"] else NO_LABEL)
            continue
        found = _shape(shape, size, where, report)
        if found is not None:
            group = shape.get("group_id")
            parts.append(Part(found, None if group is None else str(group)))
    flags = content.get("flags") or {}
    tags = (
        tuple(flag for flag, is_set in flags.items() if is_set) if isinstance(flags, dict) else ()
    )
    objects = joined(parts, size, report)
    return LabelledImage(name=file.beside(name), size=size, objects=objects, tags=tags)


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    sides = (content.get("imageWidth"), content.get("imageHeight"))
    return sides if is_size(*sides) else None  # type: ignore[return-value]


def _shape(
    shape: dict[str, Any], size: tuple[int, int] | None, where: str, report: Report
) -> LabelledObject | None:
    """Return a shape as an object, or None if it is left out."""
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list) for point in points):
        report.drop(where, "shape has no points")
        return None
    if kind == "mask":
        return _mask(shape, points, size, where, report)
    if kind in ("rectangle", "circle") and len(points) == 2:
        return _from_two(kind, shape["label"], points, where, report)
    if kind not in ("polygon", "rectangle", "oriented_rectangle"):
        report.drop(where, f"a {kind!r} is no region")
        return None
    polygons = read_outline(points, where, report)
    return (
        LabelledObject(label=shape["label"], polygons=polygons, source=where) if polygons else None
    )


def _from_two(
    kind: str, label: str, points: list[Any], where: str, report: Report
) -> LabelledObject | None:
    """Return a box from two corners, or a circle from its centre and a point on it."""
    try:
        (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in points)
    except (TypeError, ValueError, OverflowError):
        report.drop(where, NO_NUMBER)
        return None
    if kind == "rectangle":
        corners = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        box = read_box(corners, where, report)
        return None if box is None else LabelledObject(label=label, box=box, source=where)
    radius = math.dist((x1, y1), (x2, y2))
    polygons = read_outline(ellipse((x1, y1), (radius, radius)), where, report)
    return LabelledObject(label=label, polygons=polygons, source=where) if polygons else None


def _mask(
    shape: dict[str, Any],
    points: list[Any],
    size: tuple[int, int] | None,
    where: str,
    report: Report,
) -> LabelledObject | None:
    if size is None:
        report.drop(where, NO_SIZE)
        return None
    try:
        (left, top), (right, bottom) = ((int(x), int(y)) for x, y in points)
        crop = _decoded(shape["mask"], where)
        whole = np.zeros((size[1], size[0]), bool)
        if min(left, top) < 0 or crop.shape != whole[top : bottom + 1, left : right + 1].shape:
            raise ValueError
    except (DataError, binascii.Error, ValueError, TypeError, KeyError, OverflowError):
        report.drop(where, BAD_MASK)
        return None
    whole[top : bottom + 1, left : right + 1] = crop
    if not crop.any():
        report.drop(where, "mask has no pixel")
        return None
    return LabelledObject(label=shape["label"], rle=from_pixels(whole), source=where)


def _decoded(text: str, where: str) -> NDArray[np.bool_]:
    data = base64.b64decode(text, validate=True)
    return np.asarray(decode_image(data, where, palette="index") != 0)
