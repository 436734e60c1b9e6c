# SPDX-License-Identifier: Apache-2.0
"""Metrics, fed as a test loop feeds them."""

from __future__ import annotations

from numbers import Real
from typing import Any

import pytest

from zoo.testing.subject import Subject

__all__ = ["MetricChecks"]

CLASSES = ("background", "thing", "absent")


class MetricChecks(Subject):
    """Checks of ``[[metric]]`` rows; override ``make_predictions`` for another task."""

    def make_predictions(self, name: str) -> list[dict[str, Any]]:
        """Return predictions of a few images as a metric's ``process`` gets them.

        Args:
            name: Of the metric.

        Returns:
            Dicts with ``img_path``, ``img_id`` and ``ori_shape``, and for either task:

            * of mmseg's ``SegDataSample``: ``pred_sem_seg`` and ``gt_sem_seg`` with ``data``
              ``(1, 6, 7)`` int64. The last of three classes is on neither side, and some pixels
              are ignored (255).
            * of mmdet's ``DetDataSample``: ``pred_instances`` and ``gt_instances`` with ``bboxes``
              ``(K, 4)`` xyxy px, ``labels``, ``masks`` ``(K, 6, 7)`` bool and, predicted,
              ``scores``. The last image has no instance, though one is found.
        """
        import torch

        samples = []
        for number in range(3):
            truth = (torch.arange(42).view(1, 6, 7) + number) % 2
            predicted = truth.clone()
            predicted[0, : number + 1] = 1
            truth[0, 5] = 255
            boxes = torch.tensor([[0.0, 0, 3, 4], [3, 2, 7, 6]])
            samples.append(
                {
                    "pred_sem_seg": {"data": predicted},
                    "gt_sem_seg": {"data": truth},
                    "pred_instances": {
                        **_instances(boxes[: 2 - number // 2] + torch.tensor([0, 0, 0, number])),
                        "scores": torch.tensor([0.9, 0.6])[: 2 - number // 2],
                    },
                    "gt_instances": _instances(boxes[: 2 - number]),
                    "img_path": f"images/{number}.png",
                    "img_id": number,
                    "ori_shape": (6, 7),
                }
            )
        return samples

    def test_metric_over_two_batches_gives_numbers(self) -> None:
        """Values are numbers by name; a second evaluation starts anew and gives the same."""
        for row, metric in self._metrics():
            values = [self._evaluate(row, metric) for _ in range(2)]

            assert values[0], row
            assert all(isinstance(value, Real) for value in values[0].values()), row
            assert values[0] == pytest.approx(values[1], nan_ok=True), row

    def test_metric_does_not_depend_on_the_batches(self) -> None:
        """Batches are a matter of memory, not of the score."""
        for row, metric in self._metrics():
            apart, together = (
                self._evaluate(row, metric, batch_size=size) for size in (1, len(CLASSES))
            )

            assert apart == pytest.approx(together, nan_ok=True), row

    def test_metric_that_tells_images_apart_names_each(self) -> None:
        """``per_image_values`` has one entry an image, in order: its path, and finite values."""
        import math

        for row, metric in self._metrics():
            if not hasattr(metric, "per_image_values"):
                continue
            samples = self.make_predictions(row)
            self._evaluate(row, metric)

            images = metric.per_image_values()

            assert [image["file"] for image in images] == [s["img_path"] for s in samples], row
            for image in images:
                assert all(math.isfinite(value) for value in image["values"].values()), row

    def _evaluate(self, name: str, metric: Any, batch_size: int = 2) -> dict[str, float]:
        samples = self.make_predictions(name)
        for start in range(0, len(samples), batch_size):
            metric.process({}, samples[start : start + batch_size])
        values: dict[str, float] = metric.evaluate(len(samples))
        return values

    def _metrics(self) -> list[tuple[str, Any]]:
        registry = pytest.importorskip("mmengine.registry")
        found = []
        for row in self.rows_of("metric"):
            for config in self.variants_of(row):
                metric = registry.METRICS.build(config)
                palette = [[0, 0, 0], [0, 255, 0], [255, 0, 0]]
                metric.dataset_meta = {"classes": CLASSES, "palette": palette}
                found.append((row.name, metric))
        return found


def _instances(boxes: Any) -> dict[str, Any]:
    """Return things with these boxes, which their masks fill."""
    import torch

    masks = torch.zeros((len(boxes), 6, 7), dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    return {"bboxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64), "masks": masks}
