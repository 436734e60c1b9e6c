# SPDX-License-Identifier: Apache-2.0
"""Read and check COCO JSON; errors name the ids of faulty rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.data.coco.masks import Segmentation, find_rle_fault
from zoo.data.coco.other_tools import find_other_tool
from zoo.data.coco.rows import (
    CocoRows,
    FaultError,
    FollowUpError,
    join_faults,
    read_text,
    read_whole,
    show_value,
    spell_json,
)
from zoo.data.geometry.shapes import Box
from zoo.documents import DocumentError, Limits, parse_json, reason_of
from zoo.errors import DataError

__all__ = ["LIMITS", "CocoAnnotation", "CocoFile", "CocoImage", "read_coco"]

_MOST_FAULTS = 20
_MOST_PX = 10**9  # upper bound of coordinates; also excludes nan and ints too large for a float
_MEND = "fix what is named, or export the file again."
LIMITS = Limits(2**31, values=1_000_000_000, depth=64, is_finite=False, bits=2**14)
"""Of a COCO JSON: real ones have hundreds of MB. Numbers are checked where their row is known."""
_BLOCKS = ("images", "annotations", "categories")


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A row of ``images``.

    Args:
        id: Unique.
        file_name: File name as stated.
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
        image_id: Id of an existing image.
        category_id: Id of an existing category.
        box: xyxy in px, or None.
        segmentation: Polygons, or an RLE of the size of the image, or None.
        is_crowd: Whether the mask covers many objects.
        source: Where it was written before it became COCO, for reports; or empty.
    """

    id: int
    image_id: int
    category_id: int
    box: Box | None
    segmentation: Segmentation | None
    is_crowd: bool
    source: str = ""


@dataclass(frozen=True, slots=True)
class CocoFile:
    """The content of a COCO JSON file.

    Args:
        images: In the order of the file.
        categories: Id -> name, sorted by id.
        annotations: In the order of the file.
    """

    images: tuple[CocoImage, ...]
    categories: Mapping[int, str]
    annotations: tuple[CocoAnnotation, ...]


def read_coco(data: bytes, where: str) -> CocoFile:
    """Parse COCO JSON; ``info`` and ``licenses`` are ignored.

    Args:
        data: The whole file.
        where: Name of the file, for messages.

    Raises:
        DataError: It is not JSON, a block is missing, an id is repeated, an annotation refers to
            an unknown image or category, a polygon has fewer than three points, run lengths do
            not add up, or a number is invalid. Lists up to 20 faults, without consequential
            ones.
    """
    content = _parse(data, where)
    images = CocoRows("image", content["images"], _read_image)
    categories = CocoRows("category", content["categories"], _read_category)

    def read(row: Mapping[str, Any]) -> CocoAnnotation:
        return _read_annotation(row, images, categories)

    annotations = CocoRows("annotation", content["annotations"], read)
    faults = [*join_faults(images.faults, "images"), *join_faults(categories.faults, "categories")]
    faults += _find_twins([image.file_name for image in images.found.values()], "images", "file")
    faults += _find_twins(list(categories.found.values()), "categories", "name")
    faults += [f"{row}: {fault}" for row, fault in annotations.faults]
    if faults:
        raise _refuse(faults, where)
    ordered = dict(sorted(categories.found.items()))
    return CocoFile(tuple(images.found.values()), ordered, tuple(annotations.found.values()))


def _parse(data: bytes, where: str) -> dict[str, Any]:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    try:
        content = parse_json(data, LIMITS)
    except DocumentError as error:
        message = f"cannot read {name!r} as JSON: {reason_of(error)}."
        raise DataError(message, path=where, hint="give a complete COCO JSON.") from error
    found = content if isinstance(content, dict) else {}
    missing = [block for block in _BLOCKS if not isinstance(found.get(block), list)]
    if missing:
        message = f"cannot read {name!r} as COCO: it has no list called {missing[0]!r}."
        hint = "give a COCO JSON of objects, with images, annotations and categories."
        tool = find_other_tool(content)
        if tool is not None:
            message = f"cannot read {name!r} as COCO: found {tool}, expected images, annotations "
            message += "and categories."
            hint = "export the objects as COCO JSON."
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


def _find_twins(names: list[str], rows: str, key: str) -> Iterator[str]:
    counts = Counter(names)
    for name, count in counts.items():
        if count > 1:
            many = "two" if count == 2 else f"{count}"
            yield f"{many} {rows} have the {key} {name!r}"


def _read_image(row: Mapping[str, Any]) -> CocoImage:
    row_id = read_whole(row, "id")
    width_px, height_px = read_whole(row, "width", 1), read_whole(row, "height", 1)
    return CocoImage(row_id, read_text(row, "file_name"), width_px, height_px)


def _read_category(row: Mapping[str, Any]) -> str:
    return read_text(row, "name")


def _read_annotation(
    row: Mapping[str, Any], images: CocoRows, categories: CocoRows
) -> CocoAnnotation:
    if images.lacks(row.get("image_id")) or categories.lacks(row.get("category_id")):
        raise FollowUpError
    image_id, category_id = read_whole(row, "image_id"), read_whole(row, "category_id")
    if image_id not in images.found:
        if images.has_nameless:
            raise FollowUpError
        message = f"image_id is {image_id}, which is not the id of an image"
        raise FaultError(message)
    if category_id not in categories.found:
        if categories.has_nameless:
            raise FollowUpError
        listed = ", ".join(str(key) for key in sorted(categories.found)[:10]) or "no id at all"
        message = f"category_id is {category_id}, expected one of {listed}"
        raise FaultError(message)
    if row.get("iscrowd", 0) not in (0, 1):
        message = f"iscrowd is {show_value(row, 'iscrowd')}, expected 0 or 1"
        raise FaultError(message)
    box = _read_box(row.get("bbox"))
    segmentation = _read_segmentation(row.get("segmentation"), images.found[image_id])
    if box is None and segmentation is None:
        message = "found neither bbox nor segmentation"
        raise FaultError(message)
    is_crowd = bool(row.get("iscrowd", 0))
    row_id = read_whole(row, "id")
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
        raise FaultError(message)
    x, y, width, height = value
    return x, y, x + width, y + height


def _read_segmentation(value: Any, image: CocoImage) -> Segmentation | None:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, dict):
        fault = find_rle_fault(value, image.height_px, image.width_px)
        if fault is not None:
            raise FaultError(fault)
        return value
    if not isinstance(value, list) or not all(_are_numbers(polygon) for polygon in value):
        message = "segmentation is neither a list of polygons nor an RLE"
        raise FaultError(message + _describe(value))
    for polygon in value:
        if len(polygon) % 2 or len(polygon) < 6:
            points = f"{len(polygon) // 2} points" if len(polygon) % 2 == 0 else "half a point"
            message = f"found a polygon of {points}, expected three points or more"
            raise FaultError(message)
    return value


def _describe(value: Any) -> str:
    """Return a description of an invalid segmentation, as the end of a sentence."""
    if not isinstance(value, list):
        return f": found {spell_json(value)}"
    if _are_numbers(value):
        return (
            ": found the numbers of one polygon, expected a list of polygons: [[x, y, x, y, ...]]"
        )
    wrong = next(polygon for polygon in value if not _are_numbers(polygon))
    if isinstance(wrong, list) and all(_are_numbers(point) for point in wrong):
        return ": found each point in its own list, expected [x, y, x, y, ...]"
    inner = wrong if isinstance(wrong, list) else [wrong]
    number = next((part for part in inner if not _are_numbers([part])), wrong)
    return f": found {spell_json(number)} in it"
