# SPDX-License-Identifier: Apache-2.0
"""Predictions for one image as typed values: labels, or instances.

Names and meanings are those of ``zoo.SemanticResult`` and ``zoo.InstanceResult``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from zoo_runtime.copied.scenes.scene import shown_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_runtime.copied.scenes.roi_mask import RoiMask

__all__ = ["InstanceResult", "SemanticResult"]


@dataclass(frozen=True, slots=True, eq=False)
class SemanticResult:
    """A semantic model's prediction for one image.

    Args:
        labels: ``(H, W)`` class ids at the image's own resolution.
        classes: The name of each id.
        palette: The RGB colour of each id.
        areas_px: Number of pixels of each class, including zeros.
        shown: ``(H, W)`` or ``(H, W, 3)`` RGB, the image for people to look at.
        notice: What everyone who sees a result of this model should know, or None.
        probabilities: ``(C, H, W)`` float32, of each class, if they were asked for; before
            postprocessing.

    Attributes:
        task: ``semantic``, from which a type checker distinguishes the two results.
    """

    task: ClassVar[Literal["semantic"]] = "semantic"

    labels: NDArray[np.uint8]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    areas_px: Mapping[str, int]
    shown: NDArray[np.uint8]
    notice: str | None = None
    probabilities: NDArray[np.float32] | None = None

    def overlay(self, *, style: str = "both", opacity: float = 0.35) -> NDArray[np.uint8]:
        """Return the image with its labels drawn over it and a legend below, RGB.

        An image of more than 20 megapixels is scaled down, and the legend says so.

        Args:
            style: ``contour``, ``fill`` or ``both``.
            opacity: Opacity of the fill, in ``[0, 1]``.

        Raises:
            ConfigError: The style is unknown, or the opacity is out of range.
        """
        from zoo_runtime.copied.overlays.labels import draw_overlay
        from zoo_runtime.copied.overlays.style import OverlayStyle

        return draw_overlay(
            self.shown,
            self.labels,
            self.classes,
            self.palette,
            style=OverlayStyle(style, opacity),
            size=shown_size(self.labels.shape[1], self.labels.shape[0]),
            notes=[self.notice] if self.notice else [],
        )


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
        shown: ``(h, w)`` or ``(h, w, 3)`` RGB, the image for people to look at; scaled down if the
            image has more than 20 megapixels or 8192 px on a side.
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
    shown: NDArray[np.uint8]
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
        rle = self._masks()[index].to_rle(self.height_px, self.width_px)
        return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}

    def _masks(self) -> tuple[RoiMask, ...]:
        if self.masks is None:
            message = "the model returns boxes, not masks"
            raise ValueError(message)
        return self.masks

    def overlay(self, *, style: str = "both", opacity: float = 0.35) -> NDArray[np.uint8]:
        """Return the image with mask or box, class and score of each, and a legend below, RGB.

        Args:
            style: ``contour``, ``fill`` or ``both``.
            opacity: Opacity of the fill, in ``[0, 1]``.

        Raises:
            ConfigError: The style is unknown, or the opacity is out of range.
        """
        from zoo_runtime.copied.overlays.instances import draw_instances
        from zoo_runtime.copied.overlays.style import OverlayStyle

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
            notes=[self.notice] if self.notice else [],
        )
