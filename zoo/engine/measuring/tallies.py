# SPDX-License-Identifier: Apache-2.0
"""Count, image by image, what a report draws: confusions, calibration, and objects by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook

from zoo.engine.overlays.instance_comparison import Objects, pairwise_iou
from zoo.engine.overlays.sample_arrays import label_ids, predicted_objects, true_objects

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["BINS", "SCORES_OF_MASKS", "TestTallies", "has_scores_of_masks", "list_objects"]

BINS = 10
"""Bins of equal width of the confidence, in ``[0, 1]``."""

SCORES_OF_MASKS = "of masks"
"""Said of a test in which `has_scores_of_masks`."""

_MASK_HEADS = frozenset({"MaskFormerHead", "Mask2FormerHead", "SideAdapterCLIPHead"})  # of mmseg
_MOST_CLASSES = 50  # of pixels: the square of their number is written for each image
_MOST_LISTED = 1_000  # of objects, as a file is read back
_LEAST_SCORE = 0.05  # of objects that are written down
_MOST_OBJECTS = 2_000  # of an image
_LEAST_IOU = 0.5
_PIXELS = 2**20  # whose confidences are computed at a time


class TestTallies(Hook):
    """Counts of each tested image.

    Args:
        dataset: The tested data set.
        has_scores: Whether the scores of a label map (``seg_logits``) are those that its labels
            were chosen by.
    """

    def __init__(self, dataset: Any, *, has_scores: bool = True) -> None:
        self._dataset = dataset
        self._has_scores = has_scores
        self._classes = len((getattr(dataset, "metainfo", None) or {}).get("classes") or ())
        self._indices: dict[str, int] | None = None
        self._rows: dict[str, dict[str, Any]] = {}

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the images of a batch.

        Args:
            runner: The run.
            batch_idx: Index of the batch, from 0.
            data_batch: The model's input.
            outputs: Data samples with its predictions.
        """
        for sample in outputs or ():
            file = getattr(sample, "metainfo", {}).get("img_path")
            if file is None or not 0 < self._classes <= _MOST_LISTED:
                continue
            if "pred_sem_seg" in sample:
                row = _count_pixels(sample, self._classes, has_scores=self._has_scores)
                self._rows[str(file)] = row
            elif "pred_instances" in sample and "scores" in sample.pred_instances:
                self._rows[str(file)] = self._list_objects(sample, str(file))

    def joined(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return rows with the counts of their images, of all processes.

        Args:
            rows: Each has a ``file``.
        """
        counts = self._rows
        if get_world_size() > 1:
            parts: list[dict[str, dict[str, Any]]] = all_gather_object(self._rows)
            counts = {file: row for part in parts for file, row in part.items()}
        return [{**row, **counts.get(str(row["file"]), {})} for row in rows]

    def _list_objects(self, sample: Any, file: str) -> dict[str, Any]:
        shape = sample.metainfo["ori_shape"]
        truth = true_objects(self._info(file), (int(shape[0]), int(shape[1])))
        if truth is None:
            return {}
        scores = np.sort(np.asarray(sample.pred_instances.scores.cpu(), np.float64))[::-1]
        return list_objects(
            predicted_objects(sample.pred_instances, _LEAST_SCORE),
            scores[scores >= _LEAST_SCORE],
            truth,
        )

    def _info(self, file: str) -> Mapping[str, Any]:
        if self._indices is None:
            infos = map(self._dataset.get_data_info, range(len(self._dataset)))
            self._indices = {str(info.get("img_path")): i for i, info in enumerate(infos)}
        index = self._indices.get(file)
        info: Mapping[str, Any] = {} if index is None else self._dataset.get_data_info(index)
        return info


def has_scores_of_masks(model: Any) -> bool:
    """Return whether the scores of a model's label maps are sums over masks, and no logits.

    Each mask adds the probability of a class, times that of a pixel: the sums are no probabilities
    of the classes, and their softmax is none either.

    Args:
        model: A segmentor of mmseg, or any other model.

    Source:
        Cheng et al. 2021 (NeurIPS), MaskFormer, section 3.4.
    """
    from torch.nn import ModuleList

    heads = getattr(model, "decode_head", None)
    head = heads[-1] if isinstance(heads, ModuleList) and len(heads) else heads  # of a cascade
    return any(kind.__name__ in _MASK_HEADS for kind in type(head).__mro__)


def list_objects(
    predicted: Objects, scores: NDArray[np.float64], truth: Objects
) -> dict[str, list[list[float]]]:
    """Return the true and the predicted objects of an image, paired whatever their classes.

    In the order of their scores, each prediction takes the remaining true object with the best IoU,
    if that is at least 0.5. Crowds, and predictions in them that take nothing, are left out.

    Args:
        predicted: K objects, best score first.
        scores: ``(K,)``.
        truth: The true objects.

    Returns:
        ``true``: ``[class, area_px, place]`` of each, where ``place`` is that of its prediction in
        the other list or -1; ``predicted``: ``[class, score, place, iou]``.
    """
    iou = pairwise_iou(predicted, truth)
    areas = _areas(truth)
    kept = np.flatnonzero(~truth.is_crowd)[:_MOST_OBJECTS]
    place_of = {int(index): place for place, index in enumerate(kept)}
    true: list[list[float]] = [[int(truth.labels[i]), int(areas[i]), -1] for i in kept]
    found: list[list[float]] = []
    is_free = np.zeros(len(truth.labels), bool)
    is_free[kept] = True
    for index in range(min(len(predicted.labels), _MOST_OBJECTS)):
        overlaps = np.where(is_free, iou[index], -1.0) if len(is_free) else np.array([-1.0])
        best = int(np.argmax(overlaps))
        row = [int(predicted.labels[index]), round(float(scores[index]), 5)]
        if overlaps[best] >= _LEAST_IOU:
            is_free[best] = False
            true[place_of[best]][2] = len(found)
            found.append([*row, place_of[best], round(float(overlaps[best]), 4)])
        elif not (len(truth.labels) and (iou[index][truth.is_crowd] >= _LEAST_IOU).any()):
            found.append([*row, -1, 0.0])
    return {"true": true, "predicted": found}


def _areas(truth: Objects) -> NDArray[np.int64]:
    if truth.masks is not None:
        return np.array([int(mask.pixels.sum()) for mask in truth.masks], np.int64)
    sides = truth.boxes[:, 2:] - truth.boxes[:, :2]
    areas: NDArray[np.int64] = np.rint(sides.prod(axis=1)).astype(np.int64)
    return areas


def _count_pixels(sample: Any, classes: int, *, has_scores: bool) -> dict[str, Any]:
    """Return ``confusion`` and, if the model gives scores, ``calibration`` of label maps."""
    truth, predicted = label_ids(sample, "gt_sem_seg"), label_ids(sample, "pred_sem_seg")
    if truth is None or predicted is None or truth.shape != predicted.shape:
        return {}
    known = (truth < classes) & (predicted < classes)
    row: dict[str, Any] = {}
    if classes <= _MOST_CLASSES:
        pairs = truth[known].astype(np.int64) * classes + predicted[known]
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        row["confusion"] = counts.tolist()
    logits = sample.get("seg_logits") if has_scores else None
    if logits is not None and _are_scores_of(logits.data, predicted, known, classes):
        row["calibration"] = _calibrate(logits.data, truth, predicted, known)
    return row


def _are_scores_of(
    logits: torch.Tensor, predicted: NDArray[np.uint8], known: NDArray[np.bool_], classes: int
) -> bool:
    """Return whether scores are those of a label map; one channel tells labels 0 and 1 apart."""
    if tuple(logits.shape[1:]) != predicted.shape:
        return False
    is_binary = len(logits) == 1 and not (predicted[known] > 1).any()
    return is_binary or len(logits) == classes


def _calibrate(
    logits: torch.Tensor,
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    known: NDArray[np.bool_],
) -> list[list[float]]:
    """Return ``[pixels, sum of confidences, correct pixels]`` of each bin of the confidence.

    The confidence is the probability of the predicted class. That is not always the most probable
    one: postprocessing changes labels, and a model of one channel has a threshold of its own.
    """
    sums = np.zeros((BINS, 3))
    confidence_of = _of_one_channel(logits) if len(logits) == 1 else _of_channels
    rows = max(1, _PIXELS // max(1, truth.shape[1] * len(logits)))
    for top in range(0, len(truth), rows):
        part = slice(top, top + rows)
        scores = logits[:, part].detach().float().cpu()
        confidence = confidence_of(scores, predicted[part])[known[part]]
        is_right = (truth[part] == predicted[part])[known[part]]
        bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        for column, weights in enumerate((None, confidence, is_right.astype(np.float64))):
            sums[:, column] += np.bincount(bins, weights, minlength=BINS)
    return [[int(count), round(float(total), 3), int(right)] for count, total, right in sums]


def _of_channels(scores: torch.Tensor, predicted: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ``(H, W)`` probabilities of the predicted classes, by softmax; 0 of no number."""
    import torch

    # Unknown labels, 255, are not counted; any class stands for them.
    labels = torch.from_numpy(np.minimum(predicted, len(scores) - 1).astype(np.int64))
    own = scores.gather(0, labels[None])[0]
    return np.nan_to_num(np.asarray((own - scores.logsumexp(0)).exp(), np.float64))


def _of_one_channel(
    logits: torch.Tensor,
) -> Callable[[torch.Tensor, NDArray[np.uint8]], NDArray[np.float64]]:
    """Return how probabilities are made of one channel: mmseg's are some, others are logits."""
    is_probability = bool((logits >= 0).all() and (logits <= 1).all())

    def of_one(scores: torch.Tensor, predicted: NDArray[np.uint8]) -> NDArray[np.float64]:
        one = np.asarray(scores[0] if is_probability else scores[0].sigmoid(), np.float64)
        return np.nan_to_num(np.where(predicted == 1, one, 1 - one))

    return of_one
