# SPDX-License-Identifier: Apache-2.0
"""Read true instances from a COCO JSON or from the data samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as rle_tools
from numpy.typing import NDArray

from zoo.data import read_coco
from zoo.documents import DocumentError, read_file
from zoo.errors import ConfigError, DataError
from zoo_instance_metrics.instances import (
    ImageFacts,
    Rle,
    TrueInstances,
    areas_of,
    check_labels,
    encode_masks,
    read_boxes,
)

__all__ = ["TrueImage", "TruthFile", "read_sample", "read_truth"]


@dataclass(frozen=True, slots=True)
class TrueImage:
    """An image of the file.

    Attributes:
        file_name: Name in the file.
        size: Height and width in px.
        instances: True instances; labels are ids of categories.
    """

    file_name: str
    size: tuple[int, int]
    instances: TrueInstances


@dataclass(frozen=True, slots=True)
class TruthFile:
    """The true instances in a COCO JSON.

    Attributes:
        path: Path of the file.
        categories: Names by id, in the order of the file, as mmdet numbers them.
        images: Images by id.
        is_derived: Whether ``info`` says that masks were derived from weaker labels.
    """

    path: Path
    categories: Mapping[int, str]
    images: Mapping[int, TrueImage]
    is_derived: bool

    def check_classes(self, classes: Sequence[str]) -> None:
        """Check that mmdet numbers the categories in the order of the classes.

        Args:
            classes: Classes of the data set's metainfo.

        Raises:
            ConfigError: A class is not a category, or the order differs.
        """
        found = [name for name in self.categories.values() if name in classes]
        if found == list(classes):
            return
        missing = [name for name in classes if name not in found]
        wanted = f"found {', '.join(map(repr, self.categories.values()))}"
        if missing:
            message = f"cannot evaluate the class {missing[0]!r}: no category of that name, "
            message += f"{wanted}."
        else:
            message = f"cannot evaluate the classes {', '.join(map(repr, classes))}: {wanted}, "
            message += "whose order defines mmdet's label ids."
        hint = "set the data set's metainfo to the classes of the file, in its order."
        raise ConfigError(message, where=self.path, hint=hint)

    def image_of(self, sample: Mapping[str, Any], file: str) -> tuple[int, TrueImage]:
        """Return the id and the image of a data sample.

        Args:
            sample: Data sample with ``img_id``, and optionally ``ori_shape``.
            file: Path of the image, or empty.

        Raises:
            DataError: The file lacks the image, or has it with another name or size.
        """
        number = sample.get("img_id")
        image = self.images.get(number) if isinstance(number, int) else None
        fault = f"no image with the id {number!r}"
        if image is not None:
            shape = sample.get("ori_shape")
            size = image.size if shape is None else (int(shape[0]), int(shape[1]))
            if file and Path(file).name != Path(image.file_name).name:
                fault = f"{image.file_name!r} with the id {number}"
            elif size != image.size:
                fault = f"{image.size[1]}x{image.size[0]} px, the image has {size[1]}x{size[0]}"
            else:
                return int(number or 0), image
        message = f"cannot evaluate {file or 'an image'!r} by {self.path.name!r}: found {fault}."
        hint = f"set the evaluator's ann_file to that of the data set, not {self.path}."
        raise DataError(message, path=file or self.path, hint=hint)

    def instances_of(self, number: int, classes: Sequence[str]) -> TrueInstances:
        """Return an image's instances of the classes, with labels from 0.

        Args:
            number: Id of the image.
            classes: Classes of the data set.
        """
        ids = [key for key, name in self.categories.items() if name in classes]
        mine = self.images[number].instances
        kept = np.flatnonzero(np.isin(mine.labels, ids))
        masks = mine.masks
        return TrueInstances(
            labels=np.array([ids.index(key) for key in mine.labels[kept].tolist()], np.int64),
            boxes=mine.boxes[kept],
            masks=None if masks is None else [masks[index] for index in kept],
            areas=mine.areas[kept],
            is_crowd=mine.is_crowd[kept],
        )


def read_truth(path: str | Path, *, with_masks: bool) -> TruthFile:
    """Read a COCO JSON, with masks as run lengths.

    Args:
        path: The file.
        with_masks: Whether masks are needed.

    Raises:
        DataError: The file does not exist or is not a COCO JSON, or an instance lacks a required
            mask.
    """
    path = Path(path)
    try:
        data = read_file(path, 2**31)
    except (OSError, DocumentError) as error:
        message = f"cannot evaluate: there is no COCO JSON {path.name!r}."
        hint = "give the evaluator's ann_file, or --data with a prepared folder."
        raise DataError(message, path=path, hint=hint) from error
    read_coco(data, str(path))  # checks the format; areas and boxes are read as written below
    content = json.loads(data.decode("utf-8-sig"))
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in content["annotations"]:
        rows.setdefault(int(row["image_id"]), []).append(row)
    images = {}
    for image in content["images"]:
        size = (int(image["height"]), int(image["width"]))
        mine = rows.get(int(image["id"]), [])
        instances = _read_rows(mine, size, path, with_masks=with_masks)
        images[int(image["id"])] = TrueImage(image["file_name"], size, instances)
    categories = {int(row["id"]): row["name"] for row in content["categories"]}
    info = content.get("info")
    is_derived = isinstance(info, dict) and info.get("labels") == "derived"
    return TruthFile(path, categories, images, is_derived)


def read_sample(sample: Mapping[str, Any], image: ImageFacts) -> TrueInstances:
    """Return the true instances in a data sample, with ignored ones as crowds.

    Args:
        sample: Data sample with ``gt_instances`` at the image's own resolution (``bboxes``,
            ``labels``, ``masks`` if needed), and optionally ``ignored_instances``.
        image: The image properties to check against.

    Raises:
        DataError: The sample lacks instances or required masks, masks have another size, or a label
            is not a class.
    """
    parts = [sample.get("gt_instances"), sample.get("ignored_instances")]
    if parts[0] is None or "bboxes" not in parts[0]:
        message = "cannot evaluate: the data sample has no ground truth instances."
        hint = "set the evaluator's ann_file, or load annotations in the test pipeline."
        raise DataError(message, path=image.file, hint=hint)
    found = [
        _read_part(part, image, is_crowd=bool(number))
        for number, part in enumerate(parts)
        if part and len(part["bboxes"])
    ]
    joined = _join(found, with_masks=image.with_masks)
    check_labels(joined.labels, "a true instance", image)
    return joined


def _read_rows(
    rows: Sequence[Mapping[str, Any]], size: tuple[int, int], path: Path, *, with_masks: bool
) -> TrueInstances:
    masks: list[Rle | None] = []
    for row in rows:
        segmentation = row.get("segmentation")
        if with_masks and not segmentation:
            message = f"cannot evaluate masks: annotation {row['id']} has only a box."
            hint = "set the evaluator's metric to 'bbox', or give a file with masks."
            raise DataError(message, path=path, hint=hint)
        is_needed = with_masks or not row.get("bbox") or row.get("area") is None
        masks.append(_as_rle(segmentation, size) if segmentation and is_needed else None)
    boxes = [
        row["bbox"] if row.get("bbox") else rle_tools.toBbox(mask)
        for row, mask in zip(rows, masks, strict=True)
    ]
    areas = [
        _read_area(row, mask, box, path) for row, mask, box in zip(rows, masks, boxes, strict=True)
    ]
    return TrueInstances(
        labels=np.array([int(row["category_id"]) for row in rows], np.int64),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        masks=[mask for mask in masks if mask is not None] if with_masks else None,
        areas=np.array(areas, np.float64),
        is_crowd=np.array([bool(row.get("iscrowd", 0)) for row in rows], np.bool_),
    )


def _read_area(row: Mapping[str, Any], mask: Rle | None, box: Sequence[float], path: Path) -> float:
    area = row.get("area")
    if area is None:
        return float(box[2] * box[3]) if mask is None else float(rle_tools.area(mask))
    if type(area) not in (int, float) or not 0 <= area < float("inf"):
        message = f"cannot evaluate annotation {row['id']}: its area is {area!r:.40}, expected "
        message += "px^2, 0 or more."
        raise DataError(message, path=path, hint="remove area to have it computed.")
    return float(area)


def _as_rle(segmentation: Any, size: tuple[int, int]) -> Rle:
    rle: Rle
    if isinstance(segmentation, list):
        return encode_masks([segmentation], size, "")[0]
    if isinstance(segmentation["counts"], list):
        rle = rle_tools.frPyObjects(segmentation, *size)
        return rle
    rle = segmentation
    return rle


def _read_part(part: Mapping[str, Any], image: ImageFacts, *, is_crowd: bool) -> TrueInstances:
    boxes = read_boxes(part["bboxes"])
    masks = None
    if image.with_masks and "masks" not in part:
        message = "cannot evaluate masks: the data sample has only boxes."
        hint = "set the evaluator's metric to 'bbox', or load annotations with_mask=True."
        raise DataError(message, path=image.file, hint=hint)
    if image.with_masks:
        masks = encode_masks(part["masks"], image.size, image.file)
    return TrueInstances(
        labels=np.asarray(part["labels"].cpu(), np.int64),
        boxes=boxes,
        masks=masks,
        areas=boxes[:, 2] * boxes[:, 3] if masks is None else areas_of(masks),
        is_crowd=np.full(len(boxes), is_crowd, np.bool_),
    )


def _join(parts: Sequence[TrueInstances], *, with_masks: bool) -> TrueInstances:
    def joined(name: str, empty: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([empty, *(getattr(part, name) for part in parts)])

    return TrueInstances(
        labels=joined("labels", np.empty(0, np.int64)),
        boxes=joined("boxes", np.empty((0, 4))),
        masks=[mask for part in parts for mask in part.masks or ()] if with_masks else None,
        areas=joined("areas", np.empty(0)),
        is_crowd=joined("is_crowd", np.empty(0, np.bool_)),
    )
