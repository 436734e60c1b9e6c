# SPDX-License-Identifier: Apache-2.0
"""COCO's evaluation of boxes or masks by faster-coco-eval, equal to pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from zoo_instance_metrics.instances import Instances, Predictions, TrueInstances, areas_of
from zoo_instance_metrics.options import MOST_AREA

__all__ = ["Evaluation", "ImagePair", "evaluate"]


@dataclass(frozen=True, slots=True)
class ImagePair:
    """The true and predicted instances of an image.

    Attributes:
        number: Id; among equal scores, lower ids come first.
        file: Path.
        size: Height and width in px.
        true: True instances.
        predicted: Predicted instances.
    """

    number: int
    file: str
    size: tuple[int, int]
    true: TrueInstances
    predicted: Predictions


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Results for T IoU thresholds, R recalls, C classes, A area ranges (first: all), M limits.

    Attributes:
        precision: ``(T, R, C, A, M)``, -1 without true instances.
        recall: ``(T, C, A, M)``, -1 without true instances.
        ious: By image id and class: ``(D, K)`` of the best D predictions and K true instances,
            best scores first; empty if a side is empty.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    ious: Mapping[tuple[int, int], NDArray[np.float64]]


def evaluate(
    kind: str,
    images: Sequence[ImagePair],
    classes: int,
    max_dets: Sequence[int],
    areas: Sequence[tuple[float, float]],
) -> Evaluation:
    """Return COCO's precision and recall at IoU 0.5 to 0.95 in steps of 0.05.

    Args:
        kind: ``bbox`` or ``segm``.
        images: All images.
        classes: Number of classes.
        max_dets: Limits of predictions per class and image, ascending.
        areas: Ranges of area in px^2, inclusive.

    Source:
        Lin et al. 2014, arXiv:1405.0312; pycocotools 2.0.11, ``COCOeval``.
    """
    shown = [{"id": i.number, "height": i.size[0], "width": i.size[1]} for i in images]
    categories = [{"id": label, "name": str(label)} for label in range(classes)]
    sides = [
        COCO({"images": shown, "categories": categories, "annotations": rows})
        for rows in (_true_rows(kind, images), _predicted_rows(kind, images))
    ]
    evaluator = COCOeval_faster(*sides, kind)
    evaluator.params.maxDets = list(max_dets)
    evaluator.params.areaRng = [[0.0, MOST_AREA], *(list(area) for area in areas)]
    evaluator.params.areaRngLbl = [str(number) for number in range(len(areas) + 1)]
    evaluator.evaluate()
    found = {
        (int(number), int(label)): np.asarray(ious, np.float64)
        for (number, label), ious in evaluator.ious.items()
    }
    return Evaluation(evaluator.eval["precision"], evaluator.eval["recall"], found)


def _true_rows(kind: str, images: Sequence[ImagePair]) -> list[dict[str, Any]]:
    rows = []
    for image in images:
        true = image.true
        sides = zip(true.areas.tolist(), true.is_crowd.tolist(), strict=True)
        for row, (area, is_crowd) in zip(_rows(kind, image.number, true), sides, strict=True):
            rows.append(row | {"area": area, "iscrowd": int(is_crowd)})
    return _numbered(rows)


def _predicted_rows(kind: str, images: Sequence[ImagePair]) -> list[dict[str, Any]]:
    rows = []
    for image in images:
        found = image.predicted
        areas = areas_of(found.masks or ()) if kind == "segm" else found.boxes[:, 2:].prod(1)
        sides = zip(areas.tolist(), found.scores_of(kind).tolist(), strict=True)
        for row, (area, score) in zip(_rows(kind, image.number, found), sides, strict=True):
            rows.append(row | {"area": area, "score": score, "iscrowd": 0})
    return _numbered(rows)


def _rows(kind: str, number: int, instances: Instances) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"image_id": number, "category_id": label, "bbox": box}
        for label, box in zip(instances.labels.tolist(), instances.boxes.tolist(), strict=True)
    ]
    if kind == "segm":
        for row, mask in zip(rows, instances.masks or (), strict=True):
            row["segmentation"] = mask
    return rows


def _numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # From 1, because 0 means "not matched" in COCO's evaluation.
    for number, row in enumerate(rows, start=1):
        row["id"] = number
    return rows
