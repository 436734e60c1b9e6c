# SPDX-License-Identifier: Apache-2.0
"""Labels of another format as the content of a COCO JSON, which the rest of this plugin reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from zoo.data import (
    CocoAnnotation,
    CocoFile,
    CocoImage,
    Report,
    Source,
    read_header,
    rle_of_polygons,
)
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels, SourceReader
from zoo_folder_data.coco_images import find_images

__all__ = ["TOP", "read_labels"]

TOP = "."
"""Where names of images begin that a reader of a format returns: at the top of the source."""


def read_labels(
    source: Source, read: SourceReader, report: Report, *, images: str, only: str = ""
) -> CocoFile:
    """Return the labels of a source as the content of a COCO JSON.

    Polygons with holes become run lengths. Labels of whole images are counted as left out. The
    size of an image that the format does not state is read from the image.

    Args:
        source: A folder or a zip.
        read: The reader of the format.
        report: Receives what is left out or mended.
        images: Folder of the images.
        only: Path of the label file in the source; empty for all.

    Raises:
        DataError: No image or no class is labelled, an image is labelled twice, or the labels
            cannot be read.
    """
    labels = read(source, report, only=only)
    labelled = tuple(_below(tuple(labels.images), images))
    _check(source, read.name, labels, labelled)
    sizes = _sizes(source, labelled, images)
    rows = [
        CocoImage(number, image.name, *sizes[image.name])
        for number, image in enumerate(labelled, 1)
    ]
    ids = {name: number for number, name in enumerate(labels.classes, 1)}
    objects = [
        (number, each, sizes[image.name])
        for number, image in enumerate(labelled, 1)
        for each in image.objects
    ]
    tags = sum(len(image.tags) for image in labelled)
    if tags:
        report.count("labels of whole images left out", tags)
    return CocoFile(
        tuple(rows),
        {number: name for name, number in ids.items()},
        tuple(
            _annotation(number, image_id, ids[each.label], each, size)
            for number, (image_id, each, size) in enumerate(objects, 1)
        ),
    )


def _below(images: tuple[LabelledImage, ...], folder: str) -> Iterator[LabelledImage]:
    """Yield images with names below the folder of images, which is no part of a scene's name."""
    names = {image.name for image in images}
    for image in images:
        below = image.name.removeprefix(f"{folder}/")
        yield image if below in names else replace(image, name=below)


def _check(source: Source, name: str, labels: Labels, images: tuple[LabelledImage, ...]) -> None:
    twice = [each for each, count in Counter(image.name for image in images).items() if count > 1]
    if twice:
        message = f"cannot use the labels: found the image {twice[0]!r} twice, expected it once."
        raise DataError(message, path=source.path, hint="leave one of the two out.")
    for what, found in (("image", images), ("class", labels.classes)):
        if not found:
            message = f"cannot use the labels: as {name!r} they have no {what}."
            hint = "label at least one object, or choose another --format."
            raise DataError(message, path=source.path, hint=hint)


def _sizes(
    source: Source, images: tuple[LabelledImage, ...], folder: str
) -> dict[str, tuple[int, int]]:
    """Return width and height of each image, from its file where the labels do not say it."""
    unknown = [image for image in images if image.size is None]
    rows = [CocoImage(number, image.name, 1, 1) for number, image in enumerate(unknown)]
    places = find_images(source, TOP, rows, folder) if rows else {}
    read = {
        row.file_name: read_header(
            source.read(places[row.id].path), source.where(places[row.id].path)
        ).size
        for row in rows
    }
    return {image.name: image.size or read[image.name] for image in images}


def _annotation(
    number: int, image_id: int, category: int, each: LabelledObject, size: tuple[int, int]
) -> CocoAnnotation:
    shape: list[list[float]] | dict[str, object] | None = None
    if each.rle is not None:
        shape = dict(each.rle)
    elif any(polygon.holes for polygon in each.polygons):
        parts = ((polygon.outline, polygon.holes) for polygon in each.polygons)
        shape = rle_of_polygons(parts, size[1], size[0])
    elif each.polygons:
        shape = [list(polygon.outline) for polygon in each.polygons]
    return CocoAnnotation(
        number, image_id, category, each.box, shape, each.is_crowd, source=each.source
    )
