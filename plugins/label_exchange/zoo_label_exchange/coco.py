# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: polygons, masks, boxes and crowds; holes only as masks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocotools import mask as tools

from zoo.data import (
    CocoAnnotation,
    CocoFile,
    Report,
    Source,
    box_of_segmentation,
    read_coco,
    replace_file,
)
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels
from zoo_label_exchange.label_files import Pictures
from zoo_label_exchange.masks import filled, polygons_area

__all__ = ["Coco"]

HOLES = "polygons with holes: written as a mask"


class Coco:
    """COCO JSON of instances.

    Polygons and masks are read as they are. Scores, which COCO has for results alone, are written
    as the key ``score`` and not read.

    Source:
        https://cocodataset.org/#format-data
    """

    def read(self, source: Source, files: Sequence[str], report: Report, /) -> Labels:
        """Return the images of all files; a class of several files is one class.

        Args:
            source: A folder or a zip.
            files: COCO JSON files.
            report: Receives nothing: COCO's content is kept as it is.

        Raises:
            DataError: A file is no COCO JSON, or a row is invalid.
        """
        contents = [(path, read_coco(source.read(path), source.where(path))) for path in files]
        classes = dict.fromkeys(
            name for _, content in contents for name in content.categories.values()
        )
        pictures = Pictures(source)
        images = [image for path, content in contents for image in _images(path, content, pictures)]
        return Labels(classes=tuple(classes), images=images)

    def write(self, labels: Labels, out: Path, report: Report, /) -> None:
        """Write all images as one JSON, ids from 1.

        Args:
            labels: What to write.
            out: The file.
            report: Receives images without a size, tags, and polygons that became masks.
        """
        ids = {name: number for number, name in enumerate(labels.classes, 1)}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image in labels.images:
            for tag in image.tags:
                report.drop(image.name, f"COCO has no labels of whole images: {tag!r}")
            if image.size is None:
                report.drop(image.name, "COCO states the size of an image, which is unknown")
                continue
            size = {"width": image.size[0], "height": image.size[1]}
            images.append({"id": len(images) + 1, "file_name": image.name, **size})
            for each in image.objects:
                if any(polygon.holes for polygon in each.polygons):
                    report.repair(each.source or image.name, HOLES)
                number = {"id": len(annotations) + 1, "image_id": len(images)}
                row = {**number, "category_id": ids[each.label], **_row(each, image.size)}
                annotations.append(row)
        categories = [{"id": number, "name": name} for name, number in ids.items()]
        content = {"images": images, "annotations": annotations, "categories": categories}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        replace_file(out, f"{text}\n".encode())


def _images(path: str, content: CocoFile, pictures: Pictures) -> list[LabelledImage]:
    objects: dict[int, list[LabelledObject]] = {image.id: [] for image in content.images}
    for row in content.annotations:
        objects[row.image_id].append(_object(path, content, row))
    return [
        LabelledImage(
            name=pictures.named(path, image.file_name),
            size=(image.width_px, image.height_px),
            objects=tuple(objects[image.id]),
        )
        for image in content.images
    ]


def _object(path: str, content: CocoFile, row: CocoAnnotation) -> LabelledObject:
    shape = row.segmentation
    polygons = shape if isinstance(shape, list) else []
    return LabelledObject(
        label=content.categories[row.category_id],
        polygons=tuple(LabelledPolygon(outline=tuple(each)) for each in polygons),
        rle=shape if isinstance(shape, dict) else None,
        box=row.box,
        is_crowd=row.is_crowd,
        source=f"{path}:annotation {row.id}",
    )


def _row(each: LabelledObject, size: tuple[int, int]) -> dict[str, Any]:
    """Return the keys of an annotation that describe its shape."""
    shape: list[list[float]] | dict[str, Any] | None = None
    if each.rle is not None or any(polygon.holes for polygon in each.polygons):
        shape = filled(each, size)
    elif each.polygons:
        shape = [list(polygon.outline) for polygon in each.polygons]
    box = each.box if shape is None else each.box or box_of_segmentation(shape)
    left, top, right, bottom = box or (0.0, 0.0, 0.0, 0.0)
    row = {
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": int(each.is_crowd),
    }
    if shape is not None:
        row["segmentation"] = shape
        row["area"] = (
            int(tools.area(shape)) if isinstance(shape, dict) else polygons_area(each.polygons)
        )
    return row if each.score is None else {**row, "score": round(each.score, 4)}
