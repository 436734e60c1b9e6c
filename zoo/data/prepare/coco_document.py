# SPDX-License-Identifier: Apache-2.0
"""Scenes as COCO JSON, such as the raw layout of a sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from zoo.data.coco.masks import Segmentation
from zoo.data.prepare.instance import Instance, Scene
from zoo.errors import DataError

__all__ = ["coco_document"]


def coco_document(scenes: Iterable[Scene], classes: Sequence[str]) -> dict[str, Any]:
    """Return the content of a COCO JSON: images, annotations and categories, ids from 1.

    Boxes become ``[x, y, width, height]``. The area of an instance is its ``area_px``, or that
    inside its polygons.

    Args:
        scenes: Scenes with their size; ``image`` becomes ``file_name``.
        classes: Class names; category ids count from 1 in their order.

    Raises:
        DataError: A scene has no size, or an instance has a category without a class.

    Example:
        >>> tank = Instance((0.0, 0.0, 2.0, 2.0), 0, [[0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0]])
        >>> content = coco_document([Scene("a", "a", "a.png", (tank,), (8, 8))], ["tank"])
        >>> content["annotations"][0]["area"]
        4.0
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, scene in enumerate(scenes, start=1):
        if scene.size is None:
            message = f"cannot describe {scene.image!r}: it has no size, expected width and height."
            raise DataError(message, hint="give the scene a size.")
        width_px, height_px = scene.size
        images.append(
            {"id": image_id, "file_name": scene.image, "width": width_px, "height": height_px}
        )
        for instance in scene.instances:
            _check_category(instance, scene, len(classes))
            annotations.append(_row(len(annotations) + 1, image_id, instance))
    names = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": names}


def _check_category(instance: Instance, scene: Scene, count: int) -> None:
    if not 0 <= instance.category < count:
        found = f"an instance of category {instance.category}"
        message = f"cannot describe {scene.image!r}: found {found}, expected 0..{count - 1}."
        raise DataError(message, hint="categories are places in the list of classes, from 0.")


def _row(number: int, image_id: int, instance: Instance) -> dict[str, Any]:
    left, top, right, bottom = instance.box
    return {
        "id": number,
        "image_id": image_id,
        "category_id": instance.category + 1,
        "iscrowd": int(instance.is_crowd),
        "bbox": [left, top, right - left, bottom - top],
        "area": instance.area_px or _area_of(instance.segmentation),
        "segmentation": instance.segmentation,
    }


def _area_of(segmentation: Segmentation) -> float:
    """Return the area inside polygons in px^2, by the shoelace formula; 0 for run lengths."""
    if not isinstance(segmentation, list):
        return 0.0
    return sum(abs(_twice_signed(polygon)) / 2 for polygon in segmentation)


def _twice_signed(polygon: Sequence[float]) -> float:
    xs, ys = polygon[::2], polygon[1::2]
    nexts = zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    return sum(x * next_y - next_x * y for x, y, next_x, next_y in nexts)
