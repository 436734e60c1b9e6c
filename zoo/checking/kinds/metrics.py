# SPDX-License-Identifier: Apache-2.0
"""Checks of metrics, called like a test loop calls them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from zoo.checking.expecting import NotMeant, close, expect, named, needs
from zoo.checking.kinds.base import KindChecks
from zoo.engine.metric_facts import MetricFacts
from zoo.manifest.rows import MetricRow

__all__ = ["MetricChecks"]

CLASSES = ("background", "thing", "absent")
_PALETTE = [[0, 0, 0], [0, 255, 0], [255, 0, 0]]


# Whether the first value is at least as good as the second.
_BETTER: dict[str, Callable[[float, float], bool]] = {
    "higher": lambda good, bad: good >= bad,
    "lower": lambda good, bad: good <= bad,
    "zero": lambda good, bad: abs(good) <= abs(bad),
}


class MetricChecks(KindChecks):
    """Checks of ``[[metric]]`` rows; override ``make_predictions`` for another task."""

    def make_predictions(self, name: str) -> list[dict[str, Any]]:
        """Return predictions of a few images, as passed to ``process`` of a metric.

        Args:
            name: Name of the metric.

        Returns:
            Dicts with ``img_path``, ``img_id`` and ``ori_shape``, and by task:

            * as in mmseg's ``SegDataSample``: ``pred_sem_seg`` and ``gt_sem_seg`` with ``data``
              ``(1, 6, 7)`` int64. The last of three classes is absent from both, and some
              pixels are ignored (255).
            * as in mmdet's ``DetDataSample``: ``pred_instances`` and ``gt_instances`` with
              ``bboxes`` ``(K, 4)`` xyxy px, ``labels``, ``masks`` ``(K, 6, 7)`` bool and, for
              predictions, ``scores``. The last image has no instance but one prediction.
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

    def test_metric_over_two_batches_gives_numbers(self, each_metric: dict[str, Any]) -> None:
        """Values are numbers by name, and a second evaluation returns the same values."""
        said = named(each_metric)
        metric = _build(each_metric)

        values = [self._evaluate(each_metric, metric) for _ in range(2)]

        expect(values[0], f"{said}: it gives no values")
        for name, value in values[0].items():
            found = f"{name} is a {type(value).__name__}"
            expect(isinstance(value, Real), f"{said}: {found}, expected a number")
        again = f"{values[1]} after {values[0]}"
        told = f"{said}: a second evaluation of the same images gives {again}"
        expect(close(*values), told)

    def test_metric_does_not_depend_on_the_batches(self, each_metric: dict[str, Any]) -> None:
        """The batch size does not change the score."""
        said = named(each_metric)
        metric = _build(each_metric)

        apart, together = (
            self._evaluate(each_metric, metric, batch_size=size) for size in (1, len(CLASSES))
        )

        found = f"{apart} image by image, {together} in one batch"
        expect(close(apart, together), f"{said}: it gives {found}")

    def test_metric_that_tells_images_apart_names_each(self, each_metric: dict[str, Any]) -> None:
        """``per_image_values`` has one entry per image, in order: path and finite values."""
        said = named(each_metric)
        metric = _build(each_metric)
        if not hasattr(metric, "per_image_values"):
            message = f"{each_metric['type']} has no per_image_values"
            raise NotMeant(message)
        samples = self.make_predictions(_name(each_metric))
        self._evaluate(each_metric, metric)

        images = metric.per_image_values()

        files = [sample["img_path"] for sample in samples]
        listed = [image["file"] for image in images]
        expect(listed == files, f"{said}: it names the images {listed}, expected {files}")
        for image in images:
            for name, value in image["values"].items():
                told = f"{said}: {name} of {image['file']} is {value}: leave it out instead"
                expect(math.isfinite(value), told)

    def test_metric_that_states_directions_states_one_for_each_value(
        self, each_metric: dict[str, Any]
    ) -> None:
        """A row with ``direction`` has one for every value that the metric gives."""
        said = named(each_metric)
        rows = [row for row in self.rows_of("metric") if row.name == _name(each_metric)]
        facts = MetricFacts([row for row in rows if isinstance(row, MetricRow)])
        if not any(row.direction for row in facts.rows if row is not None):
            message = f"the row of {each_metric['type']} states no direction"
            raise NotMeant(message)
        metric = _build(each_metric)

        names = set(self._evaluate(each_metric, metric))

        if hasattr(metric, "per_image_values"):
            names |= {name for image in metric.per_image_values() for name in image["values"]}
        left = sorted(name for name in names if facts.stated_direction(name) is None)
        expect(not left, f"{said}: its row states no direction for {', '.join(left)}")

    def test_metric_direction_is_that_of_better_predictions(
        self, each_metric: dict[str, Any]
    ) -> None:
        """Of values that state a direction, perfect predictions have the better ones."""
        said = named(each_metric)
        rows = [row for row in self.rows_of("metric") if row.name == _name(each_metric)]
        facts = MetricFacts([row for row in rows if isinstance(row, MetricRow)])
        samples = self.make_predictions(_name(each_metric))

        good, bad = (
            _values(_build(each_metric), [change(each) for each in samples])
            for change in (_perfect, _wrong)
        )

        for name in good.keys() & bad.keys():
            direction = facts.stated_direction(name)
            better = _BETTER.get(direction or "none")
            if better and math.isfinite(good[name] - bad[name]) and bad[name] != -1:
                told = f"{said}: {name} is {good[name]:g} of perfect predictions and {bad[name]:g} "
                told += f"of wrong ones, and its row states direction = {direction!r}"
                expect(better(good[name], bad[name]), told)

    def test_evaluator_over_two_batches_gives_numbers(self, each_evaluator: dict[str, Any]) -> None:
        """It is built, with ``metrics=[]`` if it asks for metrics and has no settings."""
        registry, said = needs("mmengine.registry").EVALUATOR, named(each_evaluator)
        takes = inspect.signature(registry.get(each_evaluator["type"])).parameters
        metrics: dict[str, Any] = {"metrics": []} if "metrics" in takes else {}
        evaluator = registry.build({**metrics, **each_evaluator})
        evaluator.dataset_meta = {"classes": CLASSES, "palette": _PALETTE}
        samples = self.make_predictions(_name(each_evaluator))

        values = []
        for _ in range(2):
            for start in range(0, len(samples), 2):
                evaluator.process(samples[start : start + 2], {})
            values.append(evaluator.evaluate(len(samples)))

        for name, value in values[0].items():
            found = f"{name} is a {type(value).__name__}"
            expect(isinstance(value, Real), f"{said}: {found}, expected a number")
        told = f"{said}: a second evaluation of the same images gives {values[1]} after {values[0]}"
        expect(close(*values), told)

    def _evaluate(
        self, config: dict[str, Any], metric: Any, batch_size: int = 2
    ) -> dict[str, float]:
        samples = self.make_predictions(_name(config))
        for start in range(0, len(samples), batch_size):
            metric.process({}, samples[start : start + batch_size])
        values: dict[str, float] = metric.evaluate(len(samples))
        return values


def _values(metric: Any, samples: list[dict[str, Any]]) -> dict[str, float]:
    metric.process({}, samples)
    found = metric.evaluate(len(samples))
    return {name: float(value) for name, value in found.items() if isinstance(value, Real)}


def _perfect(sample: dict[str, Any]) -> dict[str, Any]:
    """Return a sample whose prediction is its truth."""
    import torch

    truth, found = sample["gt_sem_seg"]["data"], sample["gt_instances"]
    scored = {**found, "scores": torch.ones(len(found["bboxes"]))}
    labels = {"data": torch.where(truth == 255, 0, truth)}
    return {**sample, "pred_sem_seg": labels, "pred_instances": scored}


def _wrong(sample: dict[str, Any]) -> dict[str, Any]:
    """Return a sample whose prediction has the other class at each pixel, and no instance."""
    import torch

    truth, found = sample["gt_sem_seg"]["data"], sample["gt_instances"]
    none = {key: value[:0] for key, value in found.items()} | {"scores": torch.ones(0)}
    return {**sample, "pred_sem_seg": {"data": (truth == 0).long()}, "pred_instances": none}


def _name(config: dict[str, Any]) -> str:
    return str(config["type"]).rpartition(".")[2]


def _build(config: dict[str, Any]) -> Any:
    metric = needs("mmengine.registry").METRICS.build(config)
    metric.dataset_meta = {"classes": CLASSES, "palette": _PALETTE}
    return metric


def _instances(boxes: Any) -> dict[str, Any]:
    """Return instances with these boxes and masks that fill them."""
    import torch

    masks = torch.zeros((len(boxes), 6, 7), dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    return {"bboxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64), "masks": masks}
