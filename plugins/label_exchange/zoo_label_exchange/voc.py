# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: an XML of boxes for each image, and a picture that numbers its objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from zoo.data import IMAGE_SUFFIXES, Report, Source, compose, decode_image
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_label_exchange.label_files import LabelFile, Pictures, classes_of
from zoo_label_exchange.masks import from_pixels
from zoo_label_exchange.shapes import read_box

__all__ = ["Voc"]

VOID = 255
"""Value of pixels between an object and the ground, which belong to neither."""
NO_PIXEL = "object without a pixel in the picture of objects: its box is read"
NO_OBJECT = "pixels of a number without an object in the XML"
NO_NAME = "object has no name"
POLYGON = "polygon, which Pascal VOC does not have: its box is read"

_KIND = "Pascal VOC"
_MASKS = "SegmentationObject"
_LABELS = "Annotations"
_IMAGES = ("images", "JPEGImages")


class Voc:
    """Pascal VOC's XML files, with the masks of ``SegmentationObject`` where they are there.

    The first object of the XML is number 1 of the picture of its name. Without a picture, objects
    are boxes alone. Corners of boxes count pixels from 1, and the last pixel is inside.

    Source:
        http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf, sections 2.2 and 9.3.
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the image of each file.

        Args:
            source: A folder or a zip.
            files: XML files.
            report: Receives objects and pixels that are left out.

        Raises:
            DataError: A file is not of Pascal VOC, or a picture of objects has another size.
        """
        masks, pictures = _Masks(source), Pictures(source)
        images = [_read(source, path, masks.of(path), pictures, report) for path in files]
        return Labels(classes=classes_of(images), images=images)


class _Masks:
    """Pictures of objects, found by the files of labels."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._by_stem: dict[str, dict[str, str]] = {}
        for file in source.files():
            if file.suffix in IMAGE_SUFFIXES and _MASKS in PurePosixPath(file.folder).parts:
                key = compose(str(PurePosixPath(file.path).with_suffix("")))
                self._by_stem.setdefault(compose(file.stem), {})[key] = file.path

    def of(self, path: str) -> str | None:
        """Return the picture of a file: the only one of its name, or that of its own folders."""
        labels = PurePosixPath(path).with_suffix("")
        found = self._by_stem.get(compose(labels.name), {})
        if len(found) < 2:
            return next(iter(found.values()), None)
        parts = [_MASKS if part == _LABELS else part for part in labels.parts]
        near = [parent / _MASKS / labels.name for parent in labels.parents[:2]]
        places = [compose(str(place)) for place in (PurePosixPath(*parts), *near)]
        chosen = next((found[place] for place in places if place in found), None)
        if chosen is None:
            LabelFile(self._source, path, _KIND).refuse(
                f"{len(found)} pictures in folders {_MASKS!r} have its name",
                f"put it into {_LABELS!r}, beside its own {_MASKS!r}.",
            )
        return chosen


def _read(
    source: Source, path: str, mask: str | None, pictures: Pictures, report: Report
) -> LabelledImage:
    file = LabelFile(source, path, _KIND)
    root = file.xml()
    name = root.findtext("filename")
    if root.tag != "annotation" or not name:
        file.refuse("it has no element 'annotation' with 'filename'")
    size = _size(root)
    numbers = None
    if mask is not None:
        numbers = decode_image(source.read(mask), source.where(mask), palette="index")
        if numbers.ndim != 2 or (size is not None and numbers.shape != size[::-1]):
            sides = " x ".join(map(str, numbers.shape[1::-1]))
            LabelFile(source, mask, _KIND).refuse(
                f"it has {sides} px, expected one number a pixel of the image of {path!r}",
                "export it as a PNG with a palette, of the size of its image.",
            )
        size = (numbers.shape[1], numbers.shape[0])
    elements = root.findall("object")
    objects = [
        found
        for number, element in enumerate(elements, 1)
        if (found := _object(element, number, numbers, f"{path}:object {number}", report))
    ]
    if numbers is not None:
        for strange in sorted({*np.unique(numbers).tolist()} - {*range(len(elements) + 1), VOID}):
            report.drop(f"{mask}:number {strange}", NO_OBJECT)
    picture = pictures.named(path, name, folders=_IMAGES)
    return LabelledImage(name=picture, size=size, objects=tuple(objects))


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if min(width, height) > 0 else None


def _object(
    element: ElementTree.Element,
    number: int,
    numbers: NDArray[np.uint8 | np.uint16] | None,
    where: str,
    report: Report,
) -> LabelledObject | None:
    """Return an object with its mask, or with its box alone; None if it is left out."""
    label = element.findtext("name")
    if not label:
        report.drop(where, NO_NAME)
        return None
    if numbers is not None and number != VOID:
        own = numbers == number
        if own.any():
            return LabelledObject(label=label, rle=from_pixels(own), source=where)
        report.note(where, NO_PIXEL)
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = read_box((element.findtext(f"bndbox/{key}") for key in keys), where, report)
    if box is None:
        return None
    if element.find("polygon") is not None:
        report.note(where, POLYGON)
    left, top, right, bottom = box
    return LabelledObject(label=label, box=(left - 1, top - 1, right, bottom), source=where)
