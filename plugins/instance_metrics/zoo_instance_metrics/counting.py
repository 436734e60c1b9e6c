# SPDX-License-Identifier: Apache-2.0
"""How many instances an image has, how many were found in it, and how many of those are right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_instance_metrics.evaluation import Evaluation, ImagePair

__all__ = ["count_errors", "count_instances", "f1_of_image"]

_IOU = 0.5


def count_instances(image: ImagePair, score_thr: float) -> tuple[int, int]:
    """Return how many were found with at least the score, and how many there are but crowds."""
    predicted = int((image.predicted.scores >= score_thr).sum())
    return predicted, int((~image.true.is_crowd).sum())


def count_errors(counts: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Return the errors of counts over all images.

    Args:
        counts: Found and true number of each image.

    Returns:
        ``count_error``, the mean of absolute differences; ``count_bias``, of signed ones, above
        0 where too many are found; ``count_error_relative``, of absolute ones divided by the
        true number, over the images that have any, and left out where none has.
    """
    if not counts:
        return {}
    predicted, true = np.array(counts, np.float64).T
    differences = predicted - true
    errors = {
        "count_error": float(np.abs(differences).mean()),
        "count_bias": float(differences.mean()),
    }
    has_any = true > 0
    if has_any.any():
        relative = np.abs(differences[has_any]) / true[has_any]
        errors["count_error_relative"] = float(relative.mean())
    return errors


def f1_of_image(kind: str, image: ImagePair, found: Evaluation, score_thr: float) -> float | None:
    """Return F1 at IoU 0.5 of the predictions with at least the score, or None of nothing.

    Predictions and true instances are matched class by class as COCO does at IoU 0.5: best score
    first, each takes the free instance that it overlaps most. One that is left over and overlaps
    a crowd counts neither as right nor as wrong.

    Args:
        kind: ``bbox`` or ``segm``.
        image: Its two sides.
        found: What ``evaluate`` gave for that kind.
        score_thr: Least score.
    """
    scores = image.predicted.scores_of(kind)
    right = wrong = missed = 0
    for label in np.unique(np.concatenate([image.true.labels, image.predicted.labels])).tolist():
        kept = int((scores[image.predicted.labels == label] >= score_thr).sum())
        is_crowd = image.true.is_crowd[image.true.labels == label]
        ious = found.ious[image.number, label]
        if not ious.size:
            hits, misses = 0, kept
        else:
            hits, misses = _match(ious[:kept], is_crowd)
        right, wrong = right + hits, wrong + misses
        missed += int((~is_crowd).sum()) - hits
    total = 2 * right + wrong + missed
    return 2 * right / total if total else None


def _match(ious: NDArray[np.float64], is_crowd: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many predictions are right and how many wrong."""
    is_free = ~is_crowd
    right = wrong = 0
    for row in ious:
        fits = np.flatnonzero(is_free & (row >= _IOU))
        if len(fits):
            # Of equal ones the last, as pycocotools.
            is_free[fits[::-1][np.argmax(row[fits[::-1]])]] = False
            right += 1
        elif not (row[is_crowd] >= _IOU).any():
            wrong += 1
    return right, wrong
