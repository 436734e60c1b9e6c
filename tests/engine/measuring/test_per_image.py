# SPDX-License-Identifier: Apache-2.0
"""Per-image values of metrics that know nothing of them, and of those that tell their own."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.mm


def _metric(kind: str) -> Any:
    from mmengine.evaluator import BaseMetric

    class Mean(BaseMetric):  # type: ignore[misc]
        default_prefix = "size"

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results += [(sample["img_path"], sample["value"]) for sample in data_samples]

        def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
            print("a table")  # noqa: T201 - as COCO's metric does
            values = [value for _, value in results]
            results.clear()
            return {"mean": sum(values) / len(values), "none": float("nan"), "text": "x"}

    class Own(Mean):
        def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
            self.kept = list(results)
            return super().compute_metrics(results)

        def per_image_values(self) -> list[Any]:
            return [{"file": file, "values": {"own": -value}} for file, value in self.kept]

    class Nothing(Mean):
        def process(self, data_batch: Any, data_samples: Any) -> None:
            return

        def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
            return {"count": len(results)}

    class Spread(Mean):
        def compute_metrics(self, results: list[Any]) -> dict[str, Any]:
            if len(results) < 2:
                message = "needs two images"
                raise ValueError(message)
            return {"spread": 2.0}

    return {"mean": Mean, "own": Own, "nothing": Nothing, "spread": Spread}[kind]()


def _samples() -> list[dict[str, Any]]:
    return [{"img_path": f"{name}.png", "value": value} for name, value in (("a", 1), ("b", 3))]


def test_values_of_a_metric_that_knows_nothing_of_images(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each image is what the metric computes of it alone; the whole stays as it is."""
    from mmengine.evaluator import Evaluator

    from zoo.engine.measuring.per_image import keeping_per_image

    evaluator = Evaluator([_metric("mean")])
    with keeping_per_image(evaluator) as kept:
        evaluator.process(data_samples=_samples(), data_batch={"inputs": [0, 0]})
        printed = capsys.readouterr().out
        metrics = evaluator.evaluate(2)

    assert kept.rows() == [
        {"file": "a.png", "values": {"size/mean": 1.0}},
        {"file": "b.png", "values": {"size/mean": 3.0}},
    ]
    assert metrics["size/mean"] == 2.0
    assert printed == ""
    assert "process" not in vars(evaluator)


def test_values_of_a_metric_that_tells_its_own_are_taken() -> None:
    from mmengine.evaluator import Evaluator

    from zoo.engine.measuring.per_image import keeping_per_image

    evaluator = Evaluator([_metric("own"), _metric("nothing"), _metric("spread")])
    with keeping_per_image(evaluator) as kept:
        evaluator.process(data_samples=_samples(), data_batch=None)
        metrics = evaluator.evaluate(2)

    assert metrics["size/spread"] == 2.0
    assert kept.rows() == [
        {"file": "a.png", "values": {"size/own": -1.0}},
        {"file": "b.png", "values": {"size/own": -3.0}},
    ]
