# SPDX-License-Identifier: Apache-2.0
"""What a model says of one image, as typed values: labels, or instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from zoo.data.coco.masks import to_json
from zoo.engine.overlays.instances import draw_instances
from zoo.engine.overlays.legend import draw_overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.roi_mask import RoiMask
    from zoo.engine.scenes.scene import Georeference

__all__ = ["InstanceResult", "SemanticResult"]


@dataclass(frozen=True, slots=True, eq=False)
class SemanticResult:
    """What a semantic model says of one image.

    Args:
        labels: ``(H, W)`` class ids at the image's own resolution.
        classes: The name of each id.
        palette: The RGB colour of each id.
        areas_px: Pixels of each class, zeros too.
        meta: What the config's loading transform said of the image, as plain JSON values.
        shown: ``(H, W)`` or ``(H, W, 3)`` RGB, the image as people look at it.

    Attributes:
        task: ``semantic``, by which a type checker tells the two results apart.
    """

    task: ClassVar[Literal["semantic"]] = "semantic"

    labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    areas_px: Mapping[str, int]
    meta: Mapping[str, Any]
    shown: NDArray[np.uint8]

    def overlay(self) -> NDArray[np.uint8]:
        """Return the image with its labels painted over it and a legend strip below, RGB."""
        return draw_overlay(self.shown, self.labels, self.classes, self.palette)

    @property
    def areas_mm2(self) -> dict[str, float] | None:
        """The areas in mm^2, if ``meta`` says ``spacing_mm`` (row, column), else None."""
        match self.meta.get("spacing_mm"):
            case [int() | float() as row_mm, int() | float() as column_mm]:
                area_mm2 = row_mm * column_mm
                return {name: area_px * area_mm2 for name, area_px in self.areas_px.items()}
        return None


@dataclass(frozen=True, slots=True, eq=False)
class InstanceResult:
    """What an instance model says of one image, best score first.

    Args:
        boxes: ``(K, 4)`` float32, xyxy in px of the image.
        scores: ``(K,)`` float32, in ``[0, 1]``.
        class_ids: ``(K,)`` int64.
        masks: K masks, each in the box that it fills; None from a model that gives boxes alone.
        classes: The name of each id.
        palette: The RGB colour of each id.
        counts_at: How many instances each threshold on the score would keep, from 0.1 to 0.9.
        score_thr: The threshold that was applied.
        height_px: Of the image.
        width_px: Of the image.
        windows: How many windows of the image the model saw.
        meta: What the config's loading transform said of the image, as plain JSON values.
        shown: ``(h, w)`` or ``(h, w, 3)`` RGB, the image as people look at it; smaller than the
            image where that has more than 8192 px a side.
        georeference: Where the image lies, if it says so.

    Attributes:
        task: ``instance``, by which a type checker tells the two results apart.
    """

    task: ClassVar[Literal["instance"]] = "instance"

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: tuple[RoiMask, ...] | None
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    counts_at: Mapping[float, int]
    score_thr: float
    height_px: int
    width_px: int
    windows: int
    meta: Mapping[str, Any]
    shown: NDArray[np.uint8]
    georeference: Georeference | None = None

    def __len__(self) -> int:
        """Return how many instances there are."""
        return len(self.scores)

    @property
    def counts(self) -> dict[str, int]:
        """How many instances of each class there are, zeros too."""
        counts = np.bincount(self.class_ids, minlength=len(self.classes))
        return {name: int(counts[index]) for index, name in enumerate(self.classes)}

    @property
    def areas_px(self) -> NDArray[np.int64]:
        """``(K,)`` the pixels of each mask, or of each box where there are no masks."""
        if self.masks is not None:
            return np.array([mask.area_px for mask in self.masks], np.int64)
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        areas: NDArray[np.int64] = np.rint(sides.prod(axis=1)).astype(np.int64)
        return areas

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask of one instance at the image's size, ``(H, W)``.

        Raises:
            ValueError: The model gives no masks.
        """
        filled = np.zeros((self.height_px, self.width_px), bool)
        mask = self._masks()[index]
        left, top, right, bottom = mask.box
        filled[top:bottom, left:right] = mask.pixels
        return filled

    def rle(self, index: int) -> dict[str, Any]:
        """Return the mask of one instance as compact RLE, ``size`` and ``counts`` as text.

        Raises:
            ValueError: The model gives no masks.
        """
        return to_json(self._masks()[index].to_rle(self.height_px, self.width_px))

    def _masks(self) -> tuple[RoiMask, ...]:
        if self.masks is None:
            message = "the model gives boxes and no masks"
            raise ValueError(message)
        return self.masks

    def overlay(self) -> NDArray[np.uint8]:
        """Return the image with mask, box, class and score of each, and a legend below, RGB."""
        return draw_instances(self)
