# SPDX-License-Identifier: Apache-2.0
"""Check images and COCO JSON of a prepared folder of instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.data.coco.reading import CocoAnnotation, CocoFile, read_coco
from zoo.data.layout.dataset_json import read_prepared
from zoo.data.layout.prepared import Prepared, WindowFile
from zoo.data.pictures.digests import digest_bytes, digest_pixels
from zoo.data.pictures.pixels import decode_image, to_uint8
from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import DataError

__all__ = [
    "MOST_BYTES",
    "ObjectCount",
    "check_annotations",
    "check_window",
    "count_objects",
    "count_split_objects",
    "digest_of_image",
]

MOST_BYTES = 2**31
"""Of a picture, or of the COCO JSON of one split."""


def check_annotations(prepared: Prepared) -> Iterator[str]:
    """Yield the problems of the COCO JSON of each split.

    Its bytes must be unchanged. If they are not, it is read, and contradictions to
    ``dataset.json`` are reported too.

    Args:
        prepared: A prepared folder of the task ``instance``.
    """
    for split, sha256 in prepared.annotations.items():
        path = prepared.annotations_path(split)
        name = path.relative_to(prepared.root).as_posix()
        try:
            data = read_file(path, MOST_BYTES)
            content = read_coco(data, str(path))
        except (OSError, DocumentError) as error:
            yield f"{name}: {reason_of(error)}"
            continue
        except DataError as error:
            yield f"{name}: {error.message}"
            continue
        if digest_bytes(data) != sha256:
            yield f"{name}: it is not what was prepared"
        yield from (f"{name}: {fault}" for fault in _compare(prepared, split, content))


def _compare(prepared: Prepared, split: str, content: CocoFile) -> Iterator[str]:
    if tuple(content.categories.values()) != prepared.classes:
        yield f"found the categories {list(content.categories.values())}"
    rows = {
        row.image_name: row
        for row in prepared.files
        if isinstance(row, WindowFile) and row.split == split
    }
    names = {image.id: image.file_name for image in content.images}
    strange = set(names.values()) ^ rows.keys()
    if strange:
        yield f"found {len(names)} images, expected the {len(rows)} of dataset.json"
    objects = Counter(names[each.image_id] for each in content.annotations if not each.is_crowd)
    crowds = Counter(names[each.image_id] for each in content.annotations if each.is_crowd)
    for image in content.images:
        row = rows.get(image.file_name)
        if row is None:
            continue
        if (image.width_px, image.height_px) != (row.width_px, row.height_px):
            yield f"{image.file_name} has {image.width_px}x{image.height_px} px in it"
        found = objects[image.file_name]
        # Folders of earlier versions count crowds as objects.
        if row.instances not in (found, found + crowds[image.file_name]):
            yield f"{image.file_name} has {found} instances in it, expected {row.instances}"


def check_window(prepared: Prepared, row: WindowFile) -> Iterator[str]:
    """Yield the problems of one image: decoding, size and digest.

    Args:
        prepared: A prepared folder.
        row: The image's row in ``dataset.json``.
    """
    path = prepared.image_path(row.stem, row.suffix)
    name = path.relative_to(prepared.root).as_posix()
    try:
        data = read_file(path, MOST_BYTES)
        pixels = decode_image(data, name)
    except (OSError, DocumentError) as error:
        yield f"{name}: {reason_of(error)}"
        return
    except DataError as error:
        yield f"{name}: {error.message}"
        return
    is_copy = row.suffix == ".jpg"
    if pixels.shape[:2] != (row.height_px, row.width_px):
        found = f"{pixels.shape[1]}x{pixels.shape[0]}"
        yield f"{name}: found {found} px, expected {row.width_px}x{row.height_px}"
    elif (digest_bytes(data) if is_copy else digest_pixels(to_uint8(pixels))) != row.image_sha256:
        yield f"{name}: its pixels are not those that were prepared"


def digest_of_image(data: bytes, name: str) -> str:
    """Return the digest of an image of a prepared folder, as ``dataset.json`` states it.

    Args:
        data: The bytes of the file.
        name: The name of the file; a JPEG is a copy of its source, byte for byte.

    Raises:
        DataError: It is no picture.
    """
    if name.endswith(".jpg"):
        return digest_bytes(data)
    return digest_pixels(to_uint8(decode_image(data, name)))


@dataclass(frozen=True, slots=True)
class ObjectCount:
    """The number of objects in a split.

    Args:
        split: ``train``, ``val`` or ``test``.
        images: Number of images.
        images_with_objects: Number of images with at least one object.
        objects: Number of objects without crowds.
        kinds: Number of objects with polygons, run lengths or only a box.
        crowds: Number of regions of undistinguished objects.
    """

    split: str
    images: int
    images_with_objects: int
    objects: int
    kinds: Mapping[str, int]
    crowds: int

    def text(self) -> str:
        """Return a line: ``train: 9 objects in 2 of 5 images (8 polygons, 1 run lengths)``."""
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        places = f"{self.images_with_objects} of {self.images} images"
        line = f"{self.split}: {self.objects} objects in {places}{f' ({shown})' if shown else ''}"
        return f"{line}, {self.crowds} crowds" if self.crowds else line


def count_objects(root: Path) -> list[str]:
    """Return a line for each split of a prepared folder of instances; none for label maps.

    ``train: 249 objects in 12 of 25 images (200 polygons, 49 run lengths), 3 crowds``.

    Args:
        root: A valid prepared folder (:func:`zoo.data.check_prepared`).

    Raises:
        DataError: See :func:`count_split_objects`.
    """
    return [count.text() for count in count_split_objects(root)]


def count_split_objects(root: Path) -> list[ObjectCount]:
    """Return the object count of each split of a prepared folder; none for label maps.

    Args:
        root: A valid prepared folder (:func:`zoo.data.check_prepared`).

    Raises:
        DataError: It is not a prepared folder, or a COCO JSON file cannot be read.
    """
    prepared = read_prepared(root)
    counts = []
    for split in prepared.annotations:
        path = prepared.annotations_path(split)
        try:
            content = read_coco(read_file(path, MOST_BYTES), str(path))
        except (OSError, DocumentError) as error:
            message = f"cannot count the objects of {path.name!r}: {reason_of(error)}."
            raise DataError(message, path=path, hint="run zoo data check on the folder.") from error
        objects = [row for row in content.annotations if not row.is_crowd]
        kinds = Counter(_kind(row) for row in objects)
        counts.append(
            ObjectCount(
                split=split,
                images=len(content.images),
                images_with_objects=len({row.image_id for row in objects}),
                objects=len(objects),
                kinds=kinds,
                crowds=len(content.annotations) - len(objects),
            )
        )
    return counts


def _kind(annotation: CocoAnnotation) -> str:
    if not annotation.segmentation:
        return "boxes only"
    return "run lengths" if isinstance(annotation.segmentation, dict) else "polygons"
