# SPDX-License-Identifier: Apache-2.0
"""COCO JSON, read and held to its format; what is wrong is named by its id."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.data.coco_masks import Segmentation, find_rle_fault
from zoo.data.shapes import Box
from zoo.errors import DataError

__all__ = ["CocoAnnotation", "CocoFile", "CocoImage", "read_coco"]

_MOST_FAULTS = 20
_MOST_PX = 10**9  # no coordinate; false for nan, and no int too large for a float
_MEND = "mend what is named, or export the file again."
_BLOCKS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A row of ``images``.

    Args:
        id: Unique.
        file_name: As the file says.
        width_px: At least 1.
        height_px: At least 1.
    """

    id: int
    file_name: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class CocoAnnotation:
    """A row of ``annotations``; it has a box or a segmentation, or both.

    Args:
        id: Unique.
        image_id: Of an image that there is.
        category_id: Of a category that there is.
        box: xyxy in px, or None.
        segmentation: Polygons, or an RLE of the image's size, or None.
        is_crowd: Many objects in one mask.
    """

    id: int
    image_id: int
    category_id: int
    box: Box | None
    segmentation: Segmentation | None
    is_crowd: bool


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What a COCO JSON says.

    Args:
        images: In the order of the file.
        categories: Names by id, sorted by id.
        annotations: In the order of the file.
    """

    images: tuple[CocoImage, ...]
    categories: Mapping[int, str]
    annotations: tuple[CocoAnnotation, ...]


class _FaultError(Exception):
    """One row cannot be used."""


def read_coco(data: bytes, where: str) -> CocoFile:
    """Return what a COCO JSON says; ``info`` and ``licenses`` are not looked at.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        DataError: It is no JSON, a block is missing, an id is there twice, an annotation is of no
            image or category that there is, a polygon has fewer than three points, run lengths
            do not add up, or a number is none. Up to 20 faults are named.
    """
    content = _parse(data, where)
    faults: list[str] = []
    images = _read_rows(content["images"], "image", faults, _read_image)
    categories = _read_rows(content["categories"], "category", faults, _read_category)
    faults += _find_twins([image.file_name for image in images.values()], "images have the file")
    faults += _find_twins(list(categories.values()), "categories have the name")

    def read(row: Mapping[str, Any], row_id: int) -> CocoAnnotation:
        return _read_annotation(row, row_id, images, categories)

    annotations = _read_rows(content["annotations"], "annotation", faults, read)
    if faults:
        raise _refuse(faults, where)
    ordered = dict(sorted(categories.items()))
    return CocoFile(tuple(images.values()), ordered, tuple(annotations.values()))


def _parse(data: bytes, where: str) -> dict[str, Any]:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        message = f"cannot read {name!r} as JSON: {error}."
        raise DataError(message, path=where, hint="give a COCO JSON, whole.") from error
    found = content if isinstance(content, dict) else {}
    missing = [block for block in _BLOCKS if not isinstance(found.get(block), list)]
    if missing:
        message = f"cannot read {name!r} as COCO: it has no list called {missing[0]!r}."
        hint = "give a COCO JSON of objects, with images, annotations and categories."
        raise DataError(message, path=where, hint=hint)
    return found


def _refuse(faults: list[str], where: str) -> DataError:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    if len(faults) == 1:
        return DataError(f"cannot use {name!r}: {faults[0]}.", path=where, hint=_MEND)
    lines = [f"cannot use {name!r}: found {len(faults)} faults:"]
    lines += [f"  {fault}" for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        lines.append(f"  and {len(faults) - _MOST_FAULTS} more")
    return DataError("\n".join(lines), path=where, hint=_MEND)


def _read_rows(rows: list[Any], what: str, faults: list[str], read: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for number, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                message = f"found {row!r:.40}, expected an object"
                raise _FaultError(message)
            row_id = _whole(row, "id")
        except _FaultError as fault:
            faults.append(f"{what} number {number}: {fault}")
            continue
        if row_id in found:
            faults.append(f"{what} {row_id}: found this id twice")
            continue
        try:
            found[row_id] = read(row, row_id)
        except _FaultError as fault:
            faults.append(f"{what} {row_id}: {fault}")
    return found


def _find_twins(names: list[str], what: str) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"two {what} {name!r}"
        seen.add(name)


def _whole(row: Mapping[str, Any], key: str, least: int | None = None) -> int:
    value = row.get(key)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or (least is not None and value < least):
        wanted = "a whole number" if least is None else f"a whole number of {least} or more"
        message = f"{key} is {value!r:.40}, expected {wanted}"
        raise _FaultError(message)
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        message = f"{key} is {value!r:.40}, expected a name"
        raise _FaultError(message)
    return value


def _read_image(row: Mapping[str, Any], row_id: int) -> CocoImage:
    width_px, height_px = _whole(row, "width", 1), _whole(row, "height", 1)
    return CocoImage(row_id, _text(row, "file_name"), width_px, height_px)


def _read_category(row: Mapping[str, Any], row_id: int) -> str:
    return _text(row, "name")


def _read_annotation(
    row: Mapping[str, Any],
    row_id: int,
    images: Mapping[int, CocoImage],
    categories: Mapping[int, str],
) -> CocoAnnotation:
    image_id, category_id = _whole(row, "image_id"), _whole(row, "category_id")
    if image_id not in images:
        message = f"image_id is {image_id}, which no image has"
        raise _FaultError(message)
    if category_id not in categories:
        listed = ", ".join(str(key) for key in sorted(categories)[:10])
        message = f"category_id is {category_id}, expected one of {listed}"
        raise _FaultError(message)
    if row.get("iscrowd", 0) not in (0, 1):
        message = f"iscrowd is {row['iscrowd']!r:.40}, expected 0 or 1"
        raise _FaultError(message)
    box = _read_box(row.get("bbox"))
    segmentation = _read_segmentation(row.get("segmentation"), images[image_id])
    if box is None and segmentation is None:
        message = "found neither bbox nor segmentation"
        raise _FaultError(message)
    is_crowd = bool(row.get("iscrowd", 0))
    return CocoAnnotation(row_id, image_id, category_id, box, segmentation, is_crowd)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(value) in (int, float) and -_MOST_PX < value < _MOST_PX for value in values
    )


def _read_box(value: Any) -> Box | None:
    if value is None or value == []:
        return None
    if not _are_numbers(value) or len(value) != 4 or min(value[2:]) < 0:
        message = f"bbox is {value!r:.60}, expected [x, y, width, height]"
        raise _FaultError(message)
    x, y, width, height = value
    return x, y, x + width, y + height


def _read_segmentation(value: Any, image: CocoImage) -> Segmentation | None:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, dict):
        fault = find_rle_fault(value, image.height_px, image.width_px)
        if fault is not None:
            raise _FaultError(fault)
        return value
    if not isinstance(value, list) or not all(_are_numbers(polygon) for polygon in value):
        message = "segmentation is neither a list of polygons nor an RLE"
        raise _FaultError(message)
    for polygon in value:
        if len(polygon) % 2 or len(polygon) < 6:
            points = f"{len(polygon) // 2} points" if len(polygon) % 2 == 0 else "half a point"
            message = f"found a polygon of {points}, expected three points or more"
            raise _FaultError(message)
    return value
