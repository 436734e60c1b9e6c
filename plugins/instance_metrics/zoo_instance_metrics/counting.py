# SPDX-License-Identifier: Apache-2.0
"""Count true and predicted instances, and compute F1 of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_instance_metrics.evaluation import Evaluation, ImagePair

__all__ = ["count_errors", "count_instances", "f1_of_image"]

_IOU = 0.5


def count_instances(image: ImagePair, score_thr: float) -> tuple[int, int]:
    """Return the numbers of predictions and of true instances without crowds.

    Args:
        image: The image.
        score_thr: Lowest score of predictions that count.
    """
    predicted = int((image.predicted.scores >= score_thr).sum())
    return predicted, int((~image.true.is_crowd).sum())


def count_errors(counts: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Return the count errors over all images.

    Args:
        counts: Predicted and true number of each image.

    Returns:
        ``count_error``, the mean absolute difference; ``count_bias``, the mean signed difference,
        positive for too many predictions; ``count_error_relative``, the mean absolute difference
        divided by the true number, over images with instances, omitted if there are none.
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
    """Return F1 at IoU 0.5, or None for an image without true and predicted instances.

    Predictions and true instances are matched per class as in COCO at IoU 0.5: best score first,
    each prediction takes the free instance with the largest overlap. Unmatched predictions that
    overlap a crowd count as neither right nor wrong.

    Args:
        kind: ``bbox`` or ``segm``.
        image: The image.
        found: Result of ``evaluate`` for that kind.
        score_thr: Lowest score of predictions that count.
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
    """Return the numbers of right and wrong predictions."""
    is_free = ~is_crowd
    right = wrong = 0
    for row in ious:
        fits = np.flatnonzero(is_free & (row >= _IOU))
        if len(fits):
            # The last of equal ones, as in pycocotools.
            is_free[fits[::-1][np.argmax(row[fits[::-1]])]] = False
            right += 1
        elif not (row[is_crowd] >= _IOU).any():
            wrong += 1
    return right, wrong
