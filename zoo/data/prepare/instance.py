# SPDX-License-Identifier: Apache-2.0
"""Scenes and their instances as a source defines them, and the rules at scene edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zoo.data.coco.masks import Segmentation, area_of, encode_window, roi_of
from zoo.data.geometry.shapes import Box
from zoo.data.geometry.windows import Window

__all__ = ["Instance", "Scene", "keep_inside"]

OUTSIDE = "box is outside the image"
TOO_SMALL = "box covers less than a pixel of the image"
EMPTY = "mask covers no pixel"
NO_AREA = "box has no area"
CLIPPED = "reached beyond the image: clipped at its edge"


@dataclass(frozen=True, slots=True)
class Instance:
    """One object of a scene.

    Args:
        box: xyxy in px, half-open, ``x1 <= x2`` and ``y1 <= y2``.
        category: Index of the class.
        segmentation: Polygons in px, or an RLE of the size of the scene, in COCO format.
        source: Location in the source, for the report, such as ``annotations.csv:17``.
        is_crowd: Many objects in one mask. It may be cut, and gets no chip.
        area_px: Pixels of the mask; set when the size of the scene is known.
        repair: Earlier repair, for the report if the instance is kept.
    """

    box: Box
    category: int
    segmentation: Segmentation
    source: str = ""
    is_crowd: bool = False
    area_px: int = 0
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """An image of the source and its instances.

    Args:
        stem: Name in the prepared folder; tiles append their position.
        group: Scenes of one group are in the same split.
        image: Path in the source.
        instances: Instances; may be empty.
        size: Width and height stated by the source, or None; another size is refused.
        meta: Facts to keep in ``dataset.json`` (JSON values).
    """

    stem: str
    group: str
    image: str
    instances: tuple[Instance, ...]
    size: tuple[int, int] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def keep_inside(
    instance: Instance, width_px: int, height_px: int
) -> tuple[Instance | None, str | None]:
    """Clip an instance to its scene; return it with the repair.

    The box is cut at the edge of the scene. The mask keeps its outline; pixels outside do not
    count, so a tank half outside remains half an ellipse.

    Args:
        instance: The instance from the source.
        width_px: Of the scene.
        height_px: Of the scene.

    Returns:
        The instance with its area, or None if nothing of it is left; and the repair, the reason to
        drop it, or None.
    """
    x1, y1, x2, y2 = instance.box
    if x1 == x2 or y1 == y2:
        return None, NO_AREA
    box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width_px)), min(y2, float(height_px)))
    if box[0] >= box[2] or box[1] >= box[3]:
        return None, OUTSIDE
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return None, TOO_SMALL
    whole = Window(0, 0, width_px, height_px)
    area_px = area_of(encode_window(roi_of(instance.segmentation), whole))
    if not area_px:
        return None, EMPTY
    told = CLIPPED if box != tuple(instance.box) else None
    return replace(instance, box=box, area_px=area_px), told
