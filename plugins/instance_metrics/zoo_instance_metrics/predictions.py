# SPDX-License-Identifier: Apache-2.0
"""Read predicted instances from mmdet's data samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.errors import DataError
from zoo_instance_metrics.instances import (
    ImageFacts,
    Predictions,
    check_labels,
    encode_masks,
    read_boxes,
)

__all__ = ["read_predictions"]


def read_predictions(found: Mapping[str, Any], image: ImageFacts) -> Predictions:
    """Return the predictions of an image, with masks as run lengths.

    Args:
        found: ``bboxes`` ``(K, 4)`` xyxy px, ``scores`` and ``labels`` ``(K,)``; ``masks``
            ``(K, H, W)`` bool or run lengths; ``mask_scores`` ``(K,)`` if masks have their own.
        image: The image properties to check against.

    Raises:
        DataError: A label is not a class, a box or score is not finite, or masks are missing or
            of another size.
    """
    labels = np.asarray(found["labels"].cpu(), np.int64)
    boxes = read_boxes(found["bboxes"])
    scores = np.asarray(found["scores"].cpu(), np.float64)
    mask_scores = scores
    if "mask_scores" in found:
        mask_scores = np.asarray(found["mask_scores"].cpu(), np.float64)
    check_labels(labels, "a prediction", image)
    if not all(np.isfinite(values).all() for values in (boxes, scores, mask_scores)):
        message = "cannot score an image: a predicted box or score is not finite."
        raise DataError(message, path=image.file, hint="train with a smaller learning rate.")
    masks = None
    if image.with_masks and "masks" not in found:
        message = "cannot evaluate masks: the model predicts boxes only."
        raise DataError(message, path=image.file, hint="set the evaluator's metric to 'bbox'.")
    if image.with_masks:
        masks = encode_masks(found["masks"], image.size, image.file)
    return Predictions(labels, boxes, masks, scores, mask_scores)
