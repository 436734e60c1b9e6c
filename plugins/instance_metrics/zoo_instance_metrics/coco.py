# SPDX-License-Identifier: Apache-2.0
"""COCO's AP and AR with up to 1000 instances per image, and count errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from numpy.typing import NDArray

from zoo.errors import ConfigError, DataError
from zoo_instance_metrics.counting import count_errors, count_instances, f1_of_image
from zoo_instance_metrics.evaluation import Evaluation, ImagePair, evaluate
from zoo_instance_metrics.instances import ImageFacts
from zoo_instance_metrics.options import read_kinds, read_max_dets, read_score, read_sizes
from zoo_instance_metrics.predictions import read_predictions
from zoo_instance_metrics.truth import read_sample, read_truth

__all__ = ["CocoMetric"]

_LOG = logging.getLogger("zoo")


class CocoMetric(BaseMetric):
    """COCO's average precision and recall of boxes and masks, and count errors.

    * ``bbox_mAP``, ``segm_mAP``: the mean over the classes and over the IoU thresholds 0.5, 0.55,
      ... 0.95 of the average precision; ``_50``, ``_75``: at one threshold; ``_<size>``: for true
      instances with an area in that range.
    * ``bbox_AR@1``, ``bbox_AR@100``, ``bbox_AR@1000``: the mean recall with that many predictions.
    * ``count_error``, ``count_bias``, ``count_error_relative``: the difference between the number
      of predictions with at least ``score_thr`` and the number of true instances, averaged over
      images.

    Every AP uses the last value of ``max_dets``; mmdet's metric uses 100 predictions per image for
    its main values and 1000 for the others. Predictions that match a crowd do not count, as in
    COCO. Only images of the data set count, even if ``ann_file`` has more. The AP of a size without
    true instances is omitted (pycocotools: -1). Without any true instance, the AP over all sizes is
    NaN, so that ``save_best`` finds its name.

    Args:
        ann_file: COCO JSON of the data set's images; None to use ``gt_instances`` of each data
            sample.
        metric: ``bbox``, ``segm`` or both.
        max_dets: Limits of predictions per class and image, best first; ascending.
        sizes: Name -> (from, to), sides in px of squares of equal area, inclusive, None for no
            limit. None for COCO's ``s`` (below 32), ``m`` and ``l`` (above 96).
        score_thr: Lowest score of predictions that count, also for F1.
        collect_device: ``cpu`` or ``gpu``: how processes exchange the instances of their images.
        prefix: Prefix of each name, followed by a slash.

    Raises:
        ConfigError: An option is invalid, or the data set's classes differ from those of the file.
        DataError: The file is missing, is not a COCO JSON, or lacks an image; masks are missing or
            of another size; a prediction's label is not a class, or its numbers are not finite.

    Source:
        Lin et al. 2014, arXiv:1405.0312; values equal those of pycocotools 2.0.11.
    """

    default_prefix = "coco"

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | Sequence[str] = ("bbox", "segm"),
        max_dets: Sequence[int] = (1, 100, 1000),
        sizes: Mapping[str, Sequence[float | None]] | None = None,
        score_thr: float = 0.5,
        collect_device: str = "cpu",
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.kinds = read_kinds(metric)
        self.max_dets = read_max_dets(max_dets)
        self.areas = read_sizes(sizes)
        self.score_thr = read_score(score_thr)
        self._truth = None
        if ann_file is not None:
            self._truth = read_truth(ann_file, with_masks="segm" in self.kinds)
            if self._truth.is_derived and "segm" in self.kinds:
                text = "the masks of %s are derived: mask AP measures how well the derived shape "
                text += "is matched"
                _LOG.warning(text, ann_file)
        self._per_image: list[dict[str, Any]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Store the predictions of one batch, with masks as run lengths.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``pred_instances`` (``bboxes`` ``(K, 4)`` xyxy px, ``scores``
                ``(K,)``, ``labels`` ``(K,)``, ``masks`` ``(K, H, W)`` bool or run lengths),
                ``img_path``, ``ori_shape``; ``img_id`` with ``ann_file``, otherwise
                ``gt_instances``.

        Raises:
            ConfigError: The data set's classes differ from those of the file.
            DataError: The image is not in the file, or an instance is invalid.
        """
        classes = self._classes()
        if self._truth is not None:
            self._truth.check_classes(classes)
        for sample in data_samples:
            file = str(sample.get("img_path", ""))
            number, true = None, None
            if self._truth is not None:
                number, image = self._truth.image_of(sample, file)
                size = image.size
            else:
                size = (int(sample["ori_shape"][0]), int(sample["ori_shape"][1]))
            facts = ImageFacts(file, size, len(classes), "segm" in self.kinds)
            if self._truth is None:
                true = read_sample(sample, facts)
            predicted = read_predictions(sample["pred_instances"], facts)
            row = {"id": number, "file": file, "size": size, "true": true, "predicted": predicted}
            self.results.append(row)

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Return the values over all images; store those of each image.

        Args:
            results: Rows stored by ``process``, in the data set's order.

        Returns:
            The values by name: boxes, masks, counts.

        Raises:
            DataError: An image appears twice.
        """
        images = self._pair(results)
        values: dict[str, float] = {}
        counts = [count_instances(image, self.score_thr) for image in images]
        rows: list[dict[str, float]] = [
            {
                "count_predicted": predicted,
                "count_true": true,
                "count_error": abs(predicted - true),
            }
            for predicted, true in counts
        ]
        for kind in self.kinds:
            found = evaluate(
                kind, images, len(self._classes()), self.max_dets, list(self.areas.values())
            )
            values |= self._name(kind, found)
            for row, image in zip(rows, images, strict=True):
                f1 = f1_of_image(kind, image, found, self.score_thr)
                row |= {} if f1 is None else {f"{kind}_F1_50": f1}
        self._per_image = [
            {"file": image.file, "values": row} for image, row in zip(images, rows, strict=True)
        ]
        return values | count_errors(counts)

    def per_image_values(self) -> list[dict[str, Any]]:
        """Return ``file`` and ``values`` of each image of the last ``evaluate``.

        Returns:
            One dict per image, in the data set's order. ``values`` holds ``count_predicted``,
            ``count_true``, ``count_error``, and, unless the image has neither true nor predicted
            instances, ``bbox_F1_50`` and ``segm_F1_50``. Empty before the first ``evaluate`` and
            on processes other than the main one.
        """
        return self._per_image

    def _classes(self) -> Sequence[str]:
        classes: Sequence[str] | None = (self.dataset_meta or {}).get("classes")
        if classes is None:
            message = "cannot compute CocoMetric: the data set names no classes in its metainfo."
            raise ConfigError(message, hint="set metainfo=dict(classes=[...]) in the config.")
        return classes

    def _pair(self, results: Sequence[Mapping[str, Any]]) -> list[ImagePair]:
        if self._truth is None:
            return [
                ImagePair(number, row["file"], row["size"], row["true"], row["predicted"])
                for number, row in enumerate(results)
            ]
        classes = self._classes()
        seen: set[int] = set()
        images = []
        for row in results:
            number = row["id"]
            if number in seen:
                message = f"cannot evaluate: the image with the id {number} appears twice."
                hint = "list each image once in the evaluated data set."
                raise DataError(message, path=row["file"] or self._truth.path, hint=hint)
            seen.add(number)
            true = self._truth.instances_of(number, classes)
            images.append(ImagePair(number, row["file"], row["size"], true, row["predicted"]))
        if len(seen) < len(self._truth.images):
            text = "evaluated %d of the %d images of %s: the data set has only these"
            _LOG.warning(text, len(seen), len(self._truth.images), self._truth.path)
        return images

    def _name(self, kind: str, found: Evaluation) -> dict[str, float]:
        """Return AP at the last limit, and AR, by name."""
        precision, recall = found.precision[..., -1], found.recall
        values = {
            f"{kind}_mAP": _mean(precision[..., 0]),
            f"{kind}_mAP_50": _mean(precision[0, ..., 0]),
            f"{kind}_mAP_75": _mean(precision[5, ..., 0]),
        }
        for number, size in enumerate(self.areas, start=1):
            value = _mean(precision[..., number])
            values |= {} if np.isnan(value) else {f"{kind}_mAP_{size}": value}
        for number, limit in enumerate(self.max_dets):
            values[f"{kind}_AR@{limit}"] = _mean(recall[:, :, 0, number])
        return values


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values other than -1, or NaN if there are none."""
    present = values[values > -1]
    return float(present.mean()) if len(present) else float("nan")
