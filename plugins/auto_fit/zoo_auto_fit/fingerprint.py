# SPDX-License-Identifier: Apache-2.0
"""Facts of a prepared folder, read from a bounded sample of its training images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.data import IGNORE_INDEX, SPLITS, CocoAnnotation, Prepared, PreparedFile, read_coco
from zoo.errors import DataError
from zoo.interfaces import ClassFacts, Fingerprint, Spread
from zoo_auto_fit.objects import FoundObject, objects_of_mask, regions_of_mask, touching_ids

__all__ = ["MOST_COUNTED_PX", "MOST_IMAGES", "MOST_PX", "spread_of", "take_fingerprint"]

MOST_IMAGES = 200
"""Training images whose labels are read, evenly spaced in the order of their names."""
MOST_PX = 200_000_000
"""Pixels of labels that are read: fewer images, if they are large."""
MOST_COUNTED_PX = 2_000_000_000
"""Pixels of masks that are counted where a class is in none of those images: about 20 s."""


@dataclass(slots=True)
class _Tally:
    """What was counted so far."""

    pixels: Counter[int] = field(default_factory=Counter)
    images: Counter[int] = field(default_factory=Counter)
    objects: Counter[int] = field(default_factory=Counter)
    found: list[FoundObject] = field(default_factory=list)
    per_image: list[int] = field(default_factory=list)
    touching: int = 0
    counted: int = 0  # images whose classes were counted


def take_fingerprint(prepared: Prepared) -> Fingerprint:
    """Return the facts of a prepared folder; equal for equal folders.

    Args:
        prepared: The folder, which the plan will name; nothing in it is changed.

    Raises:
        DataError: It has no image to train on or is of bands, or a file cannot be read.
    """
    if prepared.bands is not None:
        message = "cannot take a fingerprint of the data: it is of bands, expected pictures."
        hint = "train the config unet_small_bands-512 on it."
        raise DataError(message, path=prepared.root, hint=hint)
    rows = [row for row in prepared.files if row.split == "train"]
    if not rows:
        message = "cannot take a fingerprint of the data: its split 'train' is empty."
        hint = "prepare it with a share for train: --shares 0.8,0.1,0.1."
        raise DataError(message, path=prepared.root, hint=hint)
    read = _sample(rows, MOST_IMAGES, MOST_PX)
    is_instance = prepared.task == "instance"
    tally = _read_instances(prepared, read) if is_instance else _read_masks(prepared, read)
    if not is_instance and any(not tally.images[id_] for id_ in range(len(prepared.classes))):
        _count_others(tally, prepared, rows, read)
    total = sum(tally.pixels.values())
    spacings = [min(row.spacing_mm) for row in rows if row.spacing_mm is not None]
    return Fingerprint(
        task=prepared.task,
        dataset=prepared.type,
        root=str(prepared.root.absolute()),
        images={split: prepared.splits[split].count for split in SPLITS},
        groups={split: prepared.splits[split].groups for split in SPLITS},
        sampled=len(read),
        height_px=_certain([row.height_px for row in rows]),
        width_px=_certain([row.width_px for row in rows]),
        channels=_count_channels(prepared, read),
        bits_per_sample=8,
        classes=tuple(
            ClassFacts(
                name=name,
                pixel_share=tally.pixels[id_] / total if total else 0.0,
                images=tally.images[id_],
                objects=tally.objects[id_],
            )
            for id_, name in enumerate(prepared.classes)
        ),
        object_px=spread_of([float(np.sqrt(one.area_px)) for one in tally.found]),
        thickness_px=spread_of([one.thickness_px for one in tally.found]),
        aspect=spread_of([one.aspect for one in tally.found]),
        objects_per_image=_certain(tally.per_image),
        touching_share=tally.touching / len(tally.found) if tally.found else 0.0,
        spacing_mm=spread_of(spacings),
        area_px=_certain([row.height_px * row.width_px for row in rows]),
        counted=tally.counted,
    )


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the 10th, 50th and 90th percentile and both ends; None of no values.

    Args:
        values: In any order.
    """
    if not values:
        return None
    found = np.percentile(np.asarray(values, float), (10, 50, 90, 0, 100))
    return Spread(*(round(float(value), 3) for value in found))


def _certain(values: Sequence[float]) -> Spread:
    return spread_of(values) or Spread(0.0, 0.0, 0.0)


def _sample(rows: Sequence[PreparedFile], most: int, most_px: int) -> list[PreparedFile]:
    """Return rows evenly spaced by name, within the limits; at least one."""
    ordered = sorted(rows, key=lambda row: row.stem)
    mean_px = sum(row.height_px * row.width_px for row in ordered) / len(ordered)
    count = max(1, min(len(ordered), most, int(most_px / max(mean_px, 1))))
    places = np.linspace(0, len(ordered) - 1, count).round().astype(int)
    return [ordered[place] for place in dict.fromkeys(places.tolist())]


def _count_channels(prepared: Prepared, rows: Sequence[PreparedFile]) -> int:
    """Return 1 if every image is grey, by its format or by its pixels, else 3."""
    for row in rows:  # colour is mostly seen in the first one
        image = _read(prepared, prepared.root / "images" / row.image_name)
        if image.ndim == 3 and not (
            np.array_equal(image[..., 0], image[..., 1])
            and np.array_equal(image[..., 0], image[..., 2])
        ):
            return 3
    return 1


def _read(prepared: Prepared, path: object) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        message = f"cannot take a fingerprint of the data: {path!s} cannot be read."
        hint = f"zoo data check {prepared.root} says what is wrong."
        raise DataError(message, path=prepared.root, hint=hint)
    return np.asarray(image, np.uint8)


def _read_masks(prepared: Prepared, rows: Sequence[PreparedFile]) -> _Tally:
    """Count classes and regions; class 0 is the ground that objects lie on, if there are more."""
    tally, classes = _Tally(), range(len(prepared.classes))
    for row in rows:
        mask = _read(prepared, prepared.mask_path(row.stem))
        counts = _count_classes(tally, mask, classes)
        before = len(tally.found)
        for id_ in classes:
            if counts[id_] and (id_ or len(classes) == 1):
                found = list(regions_of_mask(mask == id_))
                tally.objects[id_] += len(found)
                tally.found += found
        tally.per_image.append(len(tally.found) - before)
    return tally


def _count_classes(
    tally: _Tally, mask: NDArray[np.uint8], classes: Sequence[int]
) -> NDArray[np.int64]:
    counts = np.bincount(mask.ravel(), minlength=IGNORE_INDEX + 1)
    tally.counted += 1
    for id_ in classes:
        tally.pixels[id_] += int(counts[id_])
        tally.images[id_] += int(counts[id_] > 0)
    return counts


def _count_others(
    tally: _Tally,
    prepared: Prepared,
    rows: Sequence[PreparedFile],
    read: Sequence[PreparedFile],
) -> None:
    """Count classes in the masks that were not read: a class that a sample lacks may be there."""
    seen = {row.stem for row in read}
    others = [row for row in rows if row.stem not in seen]
    for row in _sample(others, len(others), MOST_COUNTED_PX) if others else ():
        mask = _read(prepared, prepared.mask_path(row.stem))
        _count_classes(tally, mask, range(len(prepared.classes)))


def _read_instances(prepared: Prepared, rows: Sequence[PreparedFile]) -> _Tally:
    """Count instances from the COCO JSON of the training images; crowds are left out."""
    path = prepared.annotations_path("train")
    content = read_coco(path.read_bytes(), str(path))
    names = {row.image_name for row in rows}
    class_ids = {key: prepared.classes.index(name) for key, name in content.categories.items()}
    per_image: dict[int, list[CocoAnnotation]] = {
        image.id: [] for image in content.images if image.file_name in names
    }
    for row in content.annotations:
        if row.image_id in per_image and not row.is_crowd and row.segmentation is not None:
            per_image[row.image_id].append(row)
    tally = _Tally(counted=len(content.images))
    # Classes are known of each image without drawing it.
    for class_id, _ in {
        (class_ids[row.category_id], row.image_id)
        for row in content.annotations
        if not row.is_crowd and row.segmentation is not None
    }:
        tally.images[class_id] += 1
    for image in content.images:
        if image.id in per_image:
            size = image.height_px, image.width_px
            _count_instances(tally, per_image[image.id], class_ids, size)
    return tally


def _count_instances(
    tally: _Tally,
    rows: Sequence[CocoAnnotation],
    class_ids: Mapping[int, int],
    size: tuple[int, int],
) -> None:
    """Count the instances of one image; one mask is in memory at a time."""
    ids, classes = np.zeros(size, np.int32), np.zeros(len(rows) + 1, np.int32)
    before = len(tally.found)
    for number, row in enumerate(rows, start=1):
        mask, class_id = _draw(row.segmentation, size), class_ids[row.category_id]
        found = objects_of_mask(mask)
        if found is None:
            continue
        tally.found.append(found)
        tally.objects[class_id] += 1
        tally.pixels[class_id] += found.area_px
        ids[mask], classes[number] = number, class_id
    tally.pixels[-1] += int((ids == 0).sum())  # what belongs to no instance
    tally.touching += len(touching_ids(ids, classes))
    tally.per_image.append(len(tally.found) - before)


def _draw(segmentation: object, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of polygons or of run lengths."""
    from pycocotools import mask as tools

    rle = segmentation
    if isinstance(rle, list):  # parts may overlap: the object is their union
        rle = tools.merge(tools.frPyObjects(rle, *size))
    elif isinstance(rle, dict) and isinstance(rle["counts"], list):
        rle = tools.frPyObjects(rle, *size)
    return np.asarray(tools.decode(rle), bool)
