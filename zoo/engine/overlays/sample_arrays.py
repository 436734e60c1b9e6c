# SPDX-License-Identifier: Apache-2.0
"""What a tested image's data sample and its data set's row hold, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import Window
from zoo.data.coco.masks import MaskInRoi, encode_window, load_pycocotools, roi_of
from zoo.engine.overlays.instance_comparison import Objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["label_ids", "predicted_objects", "true_objects"]


def label_ids(sample: Any, key: str) -> NDArray[np.uint8] | None:
    """Return ``(H, W)`` ids, or None if the sample has none.

    Values that are not 8-bit ids count as unknown, 255.

    Args:
        sample: A data sample of mmseg.
        key: ``pred_sem_seg`` or ``gt_sem_seg``.
    """
    if key not in sample:
        return None
    ids = np.asarray(sample.get(key).data.squeeze(0).cpu())
    return np.where((ids >= 0) & (ids < 255), ids, 255).astype(np.uint8)


def predicted_objects(found: Any, least_score: float) -> Objects:
    """Return the predicted objects, best score first.

    Args:
        found: ``pred_instances`` of a data sample of mmdet.
        least_score: Objects with a lower score are left out.
    """
    scores = np.asarray(found.scores.cpu(), np.float64)
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] >= least_score]
    masks = None
    if "masks" in found:
        given = found.masks
        masks = [_as_mask(given[i]) for i in order]
    boxes = np.asarray(found.bboxes.cpu(), np.float64).reshape(-1, 4)[order]
    labels = np.asarray(found.labels.cpu(), np.int64)[order]
    return Objects(boxes, labels, masks, np.zeros(len(order), bool))


def _as_mask(given: Any) -> MaskInRoi:
    """Return a mask from run lengths, a tensor or an array of the image's size."""
    if not isinstance(given, Mapping):
        pixels = np.asarray(given.cpu() if hasattr(given, "cpu") else given)
        given = load_pycocotools().encode(np.asfortranarray(pixels.astype(np.uint8)))
    mask = roi_of(dict(given))
    assert isinstance(mask, MaskInRoi)  # noqa: S101 - for mypy: polygons alone are none
    return mask


def true_objects(info: Mapping[str, Any], shape: tuple[int, int]) -> Objects | None:
    """Return the true objects, or None if the row has none.

    Args:
        info: The image's row, as mmdet's data sets have it.
        shape: Height and width of the image.
    """
    rows = info.get("instances")
    if rows is None:
        return None
    window = Window(0, 0, shape[1], shape[0])
    masks = [_as_mask(_rle(row["mask"], window)) for row in rows if row.get("mask")]
    return Objects(
        boxes=np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
        labels=np.array([row["bbox_label"] for row in rows], np.int64),
        masks=masks if len(masks) == len(rows) else None,
        is_crowd=np.array([bool(row.get("ignore_flag")) for row in rows], bool),
    )


def _rle(mask: Any, window: Window) -> Any:
    return mask if isinstance(mask, Mapping) else encode_window(list(mask), window)
