# SPDX-License-Identifier: Apache-2.0
"""Dice and IoU of each class: the mean over images, pooled over pixels, and image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from zoo_segmentation_metrics.classes import mean_of, name_classes, read_classes, read_labels

__all__ = ["DiceMetric"]


class DiceMetric(BaseMetric):
    """Dice and IoU, averaged over images and pooled over pixels.

    * ``dice_<class>``, ``iou_<class>``: the mean of the values of each image. If the class is
      absent from both sides of an image, the image is excluded; if it is absent from one side
      only, the value is 0.
    * ``pooled_dice_<class>``, ``pooled_iou_<class>``: over the pixels of all images together, so
      large images and large objects have more weight.
    * ``mean_dice``, ``mean_iou``, ``pooled_mean_dice``, ``pooled_mean_iou``: the means over the
      classes. ``pooled_mean_dice`` is mmseg's mDice and ``pooled_mean_iou`` its mIoU.

    All values are in ``[0, 1]``; mmseg's are in percent. A class that is in no image, on either
    side, is NaN and excluded from the means over classes. Pixels equal to ``ignore_index`` are
    excluded. White space and slashes in class names become ``_``.

    Args:
        classes: Classes to report, by name; None for all, background included.
        ignore_index: Id of excluded pixels, or None.
        collect_device: ``cpu`` or ``gpu``: how processes exchange the counts of their images.
        prefix: Prefix of each name, followed by a slash; None for no prefix.

    Raises:
        ConfigError: ``classes`` names a class that the data set lacks, or two names become equal.
        DataError: A mask or a prediction holds an id that is not a class, or their sizes differ.

    Source:
        Dice 1945, doi:10.2307/1932409; Jaccard 1912, doi:10.1111/j.1469-8137.1912.tb05611.x.
    """

    # Empty, because mmengine warns about None.
    default_prefix = ""

    def __init__(
        self,
        classes: Sequence[str] | None = None,
        ignore_index: int | None = 255,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classes = None if classes is None else tuple(classes)
        self.ignore_index = ignore_index
        self._per_image: list[dict[str, Any]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of one batch, image by image.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``pred_sem_seg.data`` and ``gt_sem_seg.data``, ``(1, H, W)``
                ids, and ``img_path``.

        Raises:
            DataError: An id is not a class, or sizes differ.
        """
        count = len(self._all_classes())
        for sample in data_samples:
            file, predicted, mask, is_known = read_labels(sample, count, self.ignore_index)
            counts = _count_pixels(predicted[is_known], mask[is_known], count)
            self.results.append({"file": file, "counts": counts})

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return the values over all images; store those of each image.

        Args:
            results: ``file`` and ``counts`` ``(3, C)`` of each image, in the data set's order.

        Returns:
            The values by name, classes in the order of their ids.

        Raises:
            ConfigError: ``classes`` names a class that the data set lacks, or two names become
                equal.
        """
        keys, ids = name_classes(self._all_classes(), self.classes, "DiceMetric")
        counts = np.array([result["counts"] for result in results], dtype=np.int64)
        counts = counts.reshape(len(results), 3, len(self._all_classes()))[:, :, ids]
        images, pooled = _scores(counts), _scores(counts.sum(0))
        self._per_image = [
            {"file": result["file"], "values": _values_of_image(keys, images, row)}
            for row, result in enumerate(results)
        ]
        over_images = {
            name: np.array([mean_of(column) for column in values.T])
            for name, values in images.items()
        }
        return {**_name_values("", keys, over_images), **_name_values("pooled_", keys, pooled)}

    def per_image_values(self) -> list[dict[str, Any]]:
        """Return ``file`` and ``values`` of each image of the last ``evaluate``.

        Returns:
            One dict per image, in the data set's order. ``values`` holds ``dice_<class>`` and
            ``iou_<class>``, without classes absent from both sides. Empty before the first
            ``evaluate`` and on processes other than the main one.
        """
        return self._per_image

    def _all_classes(self) -> Sequence[str]:
        return read_classes(self.dataset_meta, "DiceMetric")


def _count_pixels(predicted: torch.Tensor, mask: torch.Tensor, classes: int) -> NDArray[np.int64]:
    """Return ``(3, C)`` counts of matching, predicted and true pixels."""
    rows = [
        torch.bincount(ids, minlength=classes) for ids in (mask[mask == predicted], predicted, mask)
    ]
    return torch.stack(rows).cpu().numpy()


def _scores(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return Dice and IoU of counts ``(..., 3, C)`` as ``(..., C)``; NaN where both are empty."""
    overlap, predicted, actual = np.moveaxis(counts.astype(np.float64), -2, 0)
    total = np.where(predicted + actual == 0, np.nan, predicted + actual)
    return {"dice": 2 * overlap / total, "iou": overlap / (total - overlap)}


def _name_values(
    prefix: str, keys: Sequence[str], scores: Mapping[str, NDArray[np.float64]]
) -> dict[str, float]:
    named = {}
    for score, values in scores.items():
        of_classes = zip(keys, values.tolist(), strict=True)
        named.update({f"{prefix}{score}_{key}": value for key, value in of_classes})
        named[f"{prefix}mean_{score}"] = mean_of(values)
    return named


def _values_of_image(
    keys: Sequence[str], scores: Mapping[str, NDArray[np.float64]], row: int
) -> dict[str, float]:
    return {
        f"{score}_{key}": value
        for score, values in scores.items()
        for key, value in zip(keys, values[row].tolist(), strict=True)
        if not np.isnan(value)
    }
