# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: an XML of boxes for each image, and a picture that numbers its objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from zoo.data import Report, Source, compose, decode_image
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_label_exchange.label_files import LabelFile, classes_of
from zoo_label_exchange.masks import from_pixels
from zoo_label_exchange.shapes import NO_NUMBER

__all__ = ["Voc"]

VOID = 255
"""Value of pixels between an object and the ground, which belong to neither."""
NO_PIXEL = "object without a pixel in the picture of objects: its box is read"
NO_OBJECT = "pixels of a number without an object in the XML"
NO_NAME = "object has no name"

_KIND = "Pascal VOC"
_MASKS = "SegmentationObject"


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
        masks = {
            compose(file.stem): file.path
            for file in source.files()
            if PurePosixPath(file.folder).name == _MASKS
        }
        images = [
            _read(source, path, masks.get(compose(PurePosixPath(path).stem)), report)
            for path in files
        ]
        return Labels(classes=classes_of(images), images=images)


def _read(source: Source, path: str, mask: str | None, report: Report) -> LabelledImage:
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
    return LabelledImage(name=name, size=size, objects=tuple(objects))


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
    try:
        left, top, right, bottom = (
            float(element.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError:
        report.drop(where, NO_NUMBER)
        return None
    if not all(abs(value) < 1e9 for value in (left, top, right, bottom)):
        report.drop(where, NO_NUMBER)
        return None
    return LabelledObject(label=label, box=(left - 1, top - 1, right, bottom), source=where)
