# SPDX-License-Identifier: Apache-2.0
"""Compare instances with the truth: truth, prediction, matched, missed and false, and a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.coco.masks import MaskInRoi, load_pycocotools
from zoo.data.pictures.drawing import Outline, draw_outlines
from zoo.data.pictures.legend import LegendEntry
from zoo.engine.overlays.instances import outline_of_box, outline_of_mask
from zoo.engine.overlays.palette import FALSE, MISSED, RIGHT, short_name, to_rgb
from zoo.engine.overlays.panels import compose_panels, fit_panel, panel_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Objects", "compare_instances", "match_objects", "pairwise_iou"]

_LEAST_IOU = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Instances of one image, predicted or true.

    Args:
        boxes: ``(K, 4)`` xyxy in px of the image.
        labels: ``(K,)`` class ids.
        masks: K masks, or None if there are only boxes.
        is_crowd: ``(K,)``, which of them are crowds: regions of objects that are not separated.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    masks: Sequence[MaskInRoi] | None
    is_crowd: NDArray[np.bool_]

    def outlines(
        self, colors: Sequence[tuple[int, int, int]], scale: float, chosen: NDArray[np.bool_]
    ) -> list[Outline]:
        """Return the outlines of some of them, in px of a picture of another scale.

        Args:
            colors: RGB of each object.
            scale: Px of the picture for each px of the image.
            chosen: ``(K,)``, which of them.
        """
        found = []
        for index in np.flatnonzero(chosen).tolist():
            if self.masks is None:
                outline = outline_of_box(self.boxes[index] * scale, colors[index])
            else:
                outline = outline_of_mask(self.masks[index], colors[index], scale)
            found.append(outline._replace(is_crowd=bool(self.is_crowd[index])))
        return found


def match_objects(
    predicted: Objects, truth: Objects
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which predictions are correct, which are false, and which true objects are found.

    In the order of their scores, each is matched with the remaining true object of its class with
    the best IoU, if that is at least 0.5; by masks if both have them, else by boxes. One in a
    crowd is neither correct nor false.

    Args:
        predicted: Best score first.
        truth: In any order.

    Source:
        Lin et al. 2014, arXiv:1405.0312, and its evaluation code, at one IoU.
    """
    iou = pairwise_iou(predicted, truth)
    is_right, is_false = (np.zeros(len(predicted.labels), bool) for _ in range(2))
    is_found = np.zeros(len(truth.labels), bool)
    for index, label in enumerate(predicted.labels.tolist()):
        same = (truth.labels == label) & (iou[index] >= _LEAST_IOU)
        free = same & ~truth.is_crowd & ~is_found
        if free.any():
            is_found[np.argmax(np.where(free, iou[index], -1))] = True
            is_right[index] = True
        else:
            is_false[index] = not (same & truth.is_crowd).any()
    return is_right, is_false, is_found


def compare_instances(
    image: NDArray[np.uint8],
    shape: tuple[int, int],
    predicted: Objects,
    truth: Objects | None,
    *,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    name: str,
    notes: Sequence[str] = (),
) -> tuple[NDArray[np.uint8], float | None]:
    """Return a picture of one image's instances beside the true ones, and its score.

    The score is F1 of `match_objects`; 1 if there is nothing and nothing was found.

    Args:
        image: ``(h, w)`` grey or ``(h, w, 3)`` RGB, of any size.
        shape: Height and width of the image whose px the objects use.
        predicted: Best score first.
        truth: The true objects; None if unknown.
        classes: The name of each id.
        palette: The RGB colour of each id.
        name: Of the image.
        notes: Sentences at the end of the legend.

    Returns:
        ``(H', W', 3)`` RGB, and the score in ``[0, 1]``, None without a truth.
    """
    size = panel_size(*shape)
    shown, scale = fit_panel(image, size), size[0] / shape[1]
    panels = {"prediction": _draw(shown, predicted, palette, scale)}
    both = [predicted] if truth is None else [predicted, truth]
    present = sorted({label for objects in both for label in objects.labels.tolist()})
    entries = [LegendEntry(short_name(classes[i]), to_rgb(palette[i])) for i in present]
    score, told = None, ""
    if truth is not None:
        is_right, is_false, is_found = match_objects(predicted, truth)
        is_missed = ~is_found & ~truth.is_crowd
        right, wrong, missed = (int(each.sum()) for each in (is_right, is_false, is_missed))
        score = 2 * right / (2 * right + wrong + missed) if right + wrong + missed else 1.0
        told = f"F1 {score:.3f} at IoU {_LEAST_IOU:g}"
        outlines = [
            *predicted.outlines([RIGHT] * len(is_right), scale, is_right),
            *predicted.outlines([FALSE] * len(is_false), scale, is_false),
            *truth.outlines([MISSED] * len(is_missed), scale, is_missed),
        ]
        difference = draw_outlines(shown, outlines, opacity=0.35, contour_px=2)
        panels = {
            "truth": _draw(shown, truth, palette, scale),
            **panels,
            "difference": difference,
        }
        counted = ((f"right: {right}", RIGHT), (f"missed: {missed}", MISSED))
        entries += [LegendEntry(*each) for each in (*counted, (f"false: {wrong}", FALSE))]
    picture = compose_panels(panels, name=name, score=told, entries=entries, notes=notes)
    return picture, score


def _draw(
    image: NDArray[np.uint8], objects: Objects, palette: Sequence[Sequence[int]], scale: float
) -> NDArray[np.uint8]:
    colors = [to_rgb(palette[label]) for label in objects.labels.tolist()]
    chosen = np.ones(len(colors), bool)
    drawn: NDArray[np.uint8] = draw_outlines(
        image, objects.outlines(colors, scale, chosen), opacity=0.35, contour_px=2
    )
    return drawn


def pairwise_iou(predicted: Objects, truth: Objects) -> NDArray[np.float64]:
    """Return ``(K, L)`` the IoU of every pair; of a crowd, the share of the prediction in it.

    By masks if both have them, else by boxes.

    Args:
        predicted: K objects.
        truth: L objects.
    """
    if not len(predicted.labels) or not len(truth.labels):
        return np.zeros((len(predicted.labels), len(truth.labels)))
    sides: list[Any] = [_as_xywh(objects.boxes) for objects in (predicted, truth)]
    if predicted.masks is not None and truth.masks is not None:
        sides = [[mask.rle for mask in masks] for masks in (predicted.masks, truth.masks)]
    found: NDArray[np.float64] = load_pycocotools().iou(*sides, truth.is_crowd.astype(np.uint8))
    return found


def _as_xywh(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
