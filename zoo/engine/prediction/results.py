# SPDX-License-Identifier: Apache-2.0
"""Predictions for one image as typed values: labels, or instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from zoo.data.coco.masks import to_json
from zoo.engine.overlays.instances import draw_instances
from zoo.engine.overlays.labels import draw_overlay
from zoo.engine.overlays.style import OverlayStyle
from zoo.engine.prediction.areas import area_text, pixel_area_mm2
from zoo.engine.scenes.ground_outlines import (
    areas_of_labels,
    areas_of_outlines,
    outlines_in_place,
)
from zoo.engine.scenes.scene import shown_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.roi_mask import RoiMask
    from zoo.engine.scenes.scene import Georeference

__all__ = ["InstanceResult", "SemanticResult"]


@dataclass(frozen=True, slots=True, eq=False)
class SemanticResult:
    """A semantic model's prediction for one image.

    Args:
        labels: ``(H, W)`` class ids at the image's own resolution; 255 where an image that was
            processed in windows has no data.
        classes: The name of each id.
        palette: The RGB colour of each id.
        areas_px: Number of pixels of each class, including zeros.
        meta: What the config's loading transform states about the image, as plain JSON values.
        shown: ``(H, W)`` or ``(H, W, 3)`` RGB, the image for people to look at; scaled down if it
            was processed in windows and has more than 20 megapixels or 8192 px on a side.
        notice: What everyone who sees a result of this model should know, or None.
        georeference: Location of the image, if it states one.
        windows: Number of windows of the image that the model processed; None for an image
            that it processed as a whole.

    Attributes:
        task: ``semantic``, from which a type checker distinguishes the two results.
    """

    task: ClassVar[Literal["semantic"]] = "semantic"

    labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    areas_px: Mapping[str, int]
    meta: Mapping[str, Any]
    shown: NDArray[np.uint8]
    notice: str | None = None
    georeference: Georeference | None = None
    windows: int | None = None

    def overlay(self, *, style: str = "both", opacity: float = 0.35) -> NDArray[np.uint8]:
        """Return the image with its labels drawn over it and a legend below, RGB.

        An image of more than 20 megapixels is scaled down, and the legend says so.

        Args:
            style: ``contour``, ``fill`` or ``both``.
            opacity: Opacity of the fill, in ``[0, 1]``.

        Raises:
            ConfigError: The style is unknown, or the opacity is out of range.
        """
        areas, unit = self.areas_mm2, "mm²"
        if areas is None:
            areas, unit = self.areas_m2, "m²"
        return draw_overlay(
            self.shown,
            self.labels,
            self.classes,
            self.palette,
            style=OverlayStyle(style, opacity),
            size=shown_size(self.labels.shape[1], self.labels.shape[0]),
            areas={name: area_text(area, unit) for name, area in (areas or {}).items()},
            notes=[self.notice] if self.notice else [],
        )

    @property
    def areas_mm2(self) -> dict[str, float] | None:
        """The areas in mm^2 if ``meta`` has ``spacing_mm`` (row, column), else None."""
        area_mm2 = pixel_area_mm2(self.meta)
        if area_mm2 is None:
            return None
        return {name: area_px * area_mm2 for name, area_px in self.areas_px.items()}

    @property
    def areas_m2(self) -> dict[str, float] | None:
        """The areas on the ground in m^2, or None for an image without coordinates.

        Measured on the ellipsoid; needs the extra ``geo``.
        """
        if self.georeference is None:
            return None
        try:
            areas = areas_of_labels(self.labels, self.georeference)
        except ImportError:
            return None
        if areas is None:
            return None
        return {name: float(areas[index]) for index, name in enumerate(self.classes)}


@dataclass(frozen=True, slots=True, eq=False)
class InstanceResult:
    """An instance model's prediction for one image, best score first.

    Args:
        boxes: ``(K, 4)`` float32, xyxy in px of the image.
        scores: ``(K,)`` float32, in ``[0, 1]``.
        class_ids: ``(K,)`` int64.
        masks: K masks, each stored in its bounding box; None from a model that predicts boxes only.
        classes: The name of each id.
        palette: The RGB colour of each id.
        counts_at: Number of instances that each score threshold would keep, from 0.1 to 0.9.
        score_thr: The threshold that was applied.
        height_px: Height of the image.
        width_px: Width of the image.
        windows: Number of windows of the image that the model processed.
        meta: What the config's loading transform states about the image, as plain JSON values.
        shown: ``(h, w)`` or ``(h, w, 3)`` RGB, the image for people to look at; scaled down if the
            image has more than 20 megapixels or 8192 px on a side.
        georeference: Location of the image, if it states one.
        notice: What everyone who sees a result of this model should know, or None.

    Attributes:
        task: ``instance``, from which a type checker distinguishes the two results.
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
    notice: str | None = None

    def __len__(self) -> int:
        """Return the number of instances."""
        return len(self.scores)

    @property
    def counts(self) -> dict[str, int]:
        """The number of instances of each class, including zeros."""
        counts = np.bincount(self.class_ids, minlength=len(self.classes))
        return {name: int(counts[index]) for index, name in enumerate(self.classes)}

    @property
    def areas_px(self) -> NDArray[np.int64]:
        """``(K,)`` the pixels of each mask, or of each box if there are no masks."""
        if self.masks is not None:
            return np.array([mask.area_px for mask in self.masks], np.int64)
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        areas: NDArray[np.int64] = np.rint(sides.prod(axis=1)).astype(np.int64)
        return areas

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask of one instance at the image's size, ``(H, W)``.

        Args:
            index: Index of the instance, from 0, best score first.

        Raises:
            ValueError: The model predicts no masks.
        """
        filled = np.zeros((self.height_px, self.width_px), bool)
        mask = self._masks()[index]
        left, top, right, bottom = mask.box
        filled[top:bottom, left:right] = mask.pixels
        return filled

    def rle(self, index: int) -> dict[str, Any]:
        """Return the mask of one instance as compact RLE, ``size`` and ``counts`` as text.

        Args:
            index: Index of the instance, from 0, best score first.

        Raises:
            ValueError: The model predicts no masks.
        """
        return to_json(self._masks()[index].to_rle(self.height_px, self.width_px))

    def _masks(self) -> tuple[RoiMask, ...]:
        if self.masks is None:
            message = "the model returns boxes, not masks"
            raise ValueError(message)
        return self.masks

    @property
    def areas_m2(self) -> list[float | None] | None:
        """The area of each on the ground in m^2, or None for an image without coordinates.

        Measured on the ellipsoid; needs the extra ``geo``.
        """
        if self.georeference is None:
            return None
        try:
            outlines = outlines_in_place(self.boxes, self.masks, self.georeference)
        except ImportError:
            return None
        return areas_of_outlines(outlines, self.georeference)

    def overlay(self, *, style: str = "both", opacity: float = 0.35) -> NDArray[np.uint8]:
        """Return the image with mask or box, class and score of each, and a legend below, RGB.

        Args:
            style: ``contour``, ``fill`` or ``both``.
            opacity: Opacity of the fill, in ``[0, 1]``.

        Raises:
            ConfigError: The style is unknown, or the opacity is out of range.
        """
        return draw_instances(
            self.shown,
            self.boxes,
            self.class_ids,
            self.scores,
            classes=self.classes,
            palette=self.palette,
            masks=self.masks,
            size=(self.width_px, self.height_px),
            style=OverlayStyle(style, opacity),
            areas=self._area_texts(),
            notes=[self.notice] if self.notice else [],
        )

    def _area_texts(self) -> dict[str, str]:
        """Return the legend's text on the area of each class, if the size of a pixel is known."""
        area_mm2, areas_m2 = pixel_area_mm2(self.meta), self.areas_m2
        if area_mm2 is not None:
            areas, unit = (self.areas_px * area_mm2).tolist(), "mm²"
        elif areas_m2 and None not in areas_m2:
            areas, unit = areas_m2, "m²"
        else:
            return {}
        sums = np.bincount(self.class_ids, weights=areas, minlength=len(self.classes))
        return {
            name: area_text(float(area), unit)
            for name, area in zip(self.classes, sums, strict=True)
            if area > 0
        }
