# SPDX-License-Identifier: Apache-2.0
"""CVAT for images 1.1: one XML of shapes, read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from zoo.data import Report, Source, replace_file
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels
from zoo_label_exchange.joining import Part, joined
from zoo_label_exchange.label_files import LabelFile, Pictures, is_size
from zoo_label_exchange.masks import EMPTY, filled, from_pixels, to_pixels
from zoo_label_exchange.shapes import (
    NO_NUMBER,
    ellipse,
    read_box,
    read_outline,
    rotated_box,
)

__all__ = ["Cvat"]

BAD_MASK = "mask's run lengths do not fit its box"
HOLES = "polygons with holes: written as a mask"
NO_CROWD = "CVAT has no crowds"
ATTRIBUTES = "attributes left out"
ESCAPED = "has characters that XML cannot hold: written as escapes"

# All that XML 1.0 names no character, and the \r that it reads as \n.
_NO_CHARACTERS = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Of labels that no region can have.
_NO_REGIONS = {"tag", "points", "polyline", "skeleton", "cuboid"}

Element = ElementTree.Element


class Cvat:
    """CVAT's own XML, as "CVAT for images 1.1" exports it and imports it.

    Polygons, ellipses, masks and turned boxes are objects, an upright box is a box alone, tags are
    tags. Shapes of one label and group are parts of one object. Coordinates have two decimals, as
    CVAT writes them.

    Source:
        https://docs.cvat.ai/docs/manual/advanced/xml_format and
        cvat/apps/dataset_manager/formats/cvat.py of https://github.com/cvat-ai/cvat. A mask's run
        lengths go row by row through its box, and begin with what is not the mask.
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the images of all files; a label of several files is one class.

        Args:
            source: A folder or a zip.
            files: XML files.
            report: Receives shapes that are no regions, what is mended, and a count of the
                attributes, which are not read.

        Raises:
            DataError: A file is not CVAT's XML of images.
        """
        pictures = Pictures(source)
        classes: dict[str, None] = {}
        images: list[LabelledImage] = []
        for path in files:
            file = LabelFile(source, path, "CVAT for images 1.1")
            root = file.xml()
            if root.tag != "annotations" or (
                root.find("image") is None and root.find("meta") is None
            ):
                file.refuse("it has no element 'annotations' with 'meta'")
            if root.find("track") is not None:
                file.refuse("it holds tracks of a video", "export it as 'CVAT for images 1.1'.")
            found = [_image(file, element, pictures, report) for element in root.iter("image")]
            classes |= dict.fromkeys(_labels(root))
            classes |= dict.fromkeys(each.label for image in found for each in image.objects)
            images += found
        return Labels(classes=tuple(classes), images=images)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write all images as one XML. Parts of an object share a group.

        Args:
            labels: What to write.
            out: The file.
            report: Receives images without a size, crowds, polygons that became masks, names with
                characters that XML cannot hold, and a count of the scores, which CVAT does not
                have.
        """
        root = ElementTree.Element("annotations")
        ElementTree.SubElement(root, "version").text = "1.1"
        listed = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
        listed = ElementTree.SubElement(listed, "labels")
        for name in labels.classes:
            text = _escaped(name, f"class {name!r}", report)
            ElementTree.SubElement(ElementTree.SubElement(listed, "label"), "name").text = text
        for number, image in enumerate(labels.images):
            if image.size is None:
                report.drop(image.name, "CVAT states the size of an image, which is unknown")
                continue
            width, height = map(str, image.size)
            name = _escaped(image.name, image.name, report)
            own = {"id": str(number), "name": name, "width": width, "height": height}
            element = ElementTree.SubElement(root, "image", own)
            for tag in image.tags:
                label = _escaped(tag, f"{image.name}: tag {tag!r}", report)
                ElementTree.SubElement(element, "tag", {"label": label, "source": "auto"})
            for group, each in enumerate(image.objects, 1):
                _add(element, each, group, image.size, report, each.source or image.name)
        ElementTree.indent(root)
        data = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        replace_file(out, data + b"\n")


def _labels(root: Element) -> Iterator[str]:
    """Yield the names of labels that the file lists and that regions can have."""
    for label in root.iterfind("meta//labels/label"):
        name, kind = label.findtext("name"), label.findtext("type", "any")
        if name and kind not in _NO_REGIONS:
            yield name


def _image(file: LabelFile, element: Element, pictures: Pictures, report: Report) -> LabelledImage:
    name = element.get("name")
    try:
        size = int(element.get("width", "")), int(element.get("height", ""))
    except ValueError:
        size = (0, 0)
    if not name or not is_size(*size):
        file.refuse(f"image {element.get('id')!r} lacks a name, a width or a height")
    # The export of a project has a folder for each subset, which the names leave out.
    path = pictures.named(file.path, f"{element.get('subset', '')}/{name}".lstrip("/"), name)
    if attributes := sum(1 for _ in element.iter("attribute")):
        report.count(ATTRIBUTES, attributes)
    tags, parts = [], []
    for number, shape in enumerate(element, 1):
        where, label = f"{file.path}:{name}:shape {number}", shape.get("label")
        if not label:
            report.drop(where, "shape has no label")
        elif shape.tag == "tag":
            tags.append(label)
        elif shape.tag not in _READERS:
            report.drop(where, f"a {shape.tag!r} is no region")
        else:
            keywords = _shape(shape, size, where, report)
            if keywords:
                group = shape.get("group_id", "0")
                found = LabelledObject(label=label, source=where, **keywords)
                parts.append(Part(found, None if group in ("", "0") else group))
    objects = joined(parts, size, report)
    return LabelledImage(name=path, size=size, objects=objects, tags=tuple(tags))


def _shape(shape: Element, size: tuple[int, int], where: str, report: Report) -> dict[str, Any]:
    """Return a shape as keywords of an object; none if it is left out."""
    try:
        return _READERS[shape.tag](shape, size, where, report)
    except (ValueError, KeyError, OverflowError):
        report.drop(where, BAD_MASK if shape.tag == "mask" else NO_NUMBER)
        return {}


def _numbers(shape: Element, *keys: str) -> list[float]:
    return [float(shape.attrib[key]) for key in keys]


def _box(shape: Element, _: tuple[int, int], where: str, report: Report) -> dict[str, Any]:
    left, top, right, bottom = _numbers(shape, "xtl", "ytl", "xbr", "ybr")
    turn = float(shape.get("rotation", "0"))
    if not turn:
        box = read_box((left, top, right, bottom), where, report)
        return {} if box is None else {"box": box}
    centre = ((left + right) / 2, (top + bottom) / 2)
    return _outlined(rotated_box((left, top, right, bottom), centre, turn), where, report)


def _polygon(shape: Element, _: tuple[int, int], where: str, report: Report) -> dict[str, Any]:
    points = [pair.split(",") for pair in shape.attrib["points"].split(";")]
    return _outlined(points, where, report)


def _ellipse(shape: Element, _: tuple[int, int], where: str, report: Report) -> dict[str, Any]:
    x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
    turn = float(shape.get("rotation", "0"))
    return _outlined(ellipse((x, y), (across, down), turn), where, report)


def _outlined(points: Iterable[Sequence[object]], where: str, report: Report) -> dict[str, Any]:
    polygons = read_outline(points, where, report)
    return {"polygons": polygons} if polygons else {}


def _mask(shape: Element, size: tuple[int, int], where: str, report: Report) -> dict[str, Any]:
    left, top, width, height = (
        int(shape.attrib[key]) for key in ("left", "top", "width", "height")
    )
    runs = [int(run) for run in shape.attrib["rle"].split(",")]
    is_inside = min(left, top) >= 0 and left + width <= size[0] and top + height <= size[1]
    # The last run may be left out if it is not the mask.
    rest = width * height - sum(runs)
    if not is_inside or min(runs) < 0 or rest < 0 or (rest and len(runs) % 2):
        raise ValueError
    bits = np.repeat((np.arange(len(runs) + 1) % 2).astype(np.uint8), [*runs, rest])
    whole = np.zeros((size[1], size[0]), np.uint8)
    whole[top : top + height, left : left + width] = bits.reshape(height, width)
    if not whole.any():
        report.drop(where, EMPTY)
        return {}
    return {"rle": from_pixels(whole)}


_READERS: dict[str, Callable[[Element, tuple[int, int], str, Report], dict[str, Any]]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}


def _add(
    image: Element,
    each: LabelledObject,
    group: int,
    size: tuple[int, int],
    report: Report,
    where: str,
) -> None:
    """Add an object to an image: a box, its polygons, or a mask."""
    if each.is_crowd:
        report.drop(where, NO_CROWD)
        return
    if each.score is not None:
        report.count("scores left out", 1)
    common = {"label": _escape(each.label), "source": "auto", "occluded": "0", "z_order": "0"}
    if each.rle is None and not each.polygons and each.box is not None:
        corners = zip(("xtl", "ytl", "xbr", "ybr"), map(_spelled, each.box), strict=True)
        ElementTree.SubElement(image, "box", {**common, **dict(corners)})
    elif each.polygons and not any(polygon.holes for polygon in each.polygons):
        shared = {"group_id": str(group)} if len(each.polygons) > 1 else {}
        for polygon in each.polygons:
            own = {"points": _spelled_points(polygon)}
            ElementTree.SubElement(image, "polygon", {**common, **own, **shared})
    else:
        if each.polygons:
            report.repair(where, HOLES)
        _add_mask(image, common, to_pixels(filled(each, size)), where, report)


def _add_mask(
    image: Element, common: dict[str, str], pixels: np.ndarray[Any, Any], where: str, report: Report
) -> None:
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        report.drop(where, EMPTY)
        return
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    flat = pixels[top:bottom, left:right].ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    runs = [0, *runs] if flat[0] else runs
    own = {"rle": ", ".join(map(str, runs)), "left": str(left), "top": str(top)}
    own |= {"width": str(right - left), "height": str(bottom - top)}
    ElementTree.SubElement(image, "mask", {**common, **own})


def _escaped(text: str, where: str, report: Report) -> str:
    """Return a text that XML can hold, and report one that it cannot."""
    escaped = _escape(text)
    if escaped != text:
        report.repair(where, ESCAPED)
    return escaped


def _escape(text: str) -> str:
    r"""Return a text with the characters that XML cannot hold as Python's escapes, as ``\x01``."""
    return _NO_CHARACTERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _spelled(value: float) -> str:
    return f"{value:.2f}"


def _spelled_points(polygon: LabelledPolygon) -> str:
    pairs = zip(polygon.outline[::2], polygon.outline[1::2], strict=True)
    return ";".join(f"{_spelled(x)},{_spelled(y)}" for x, y in pairs)
