# SPDX-License-Identifier: Apache-2.0
"""Metrics and the evaluators that gather them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from zoo.interfaces.datasets import ImageValues

__all__ = ["Evaluator", "Metric", "PerImageMetric"]


class Metric(Protocol):
    """A score over a data set, usually a subclass of mmengine's ``BaseMetric``."""

    dataset_meta: Mapping[str, Any] | None
    """``classes`` and ``palette`` of the data set; set by the runner before the first batch."""

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Add one batch of predictions, as dicts; called under ``torch.no_grad``.

        Args:
            data_batch: Collated ``inputs`` and ``data_samples``.
            data_samples: One per image of the batch.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values over all added images, and clear them.

        Args:
            size: Number of images in the split.
        """


class PerImageMetric(Metric, Protocol):
    """A metric that also reports values per image.

    ``zoo test --out FILE.json`` saves them and ``zoo plot`` draws them.
    """

    def per_image_values(self) -> list[ImageValues]:
        """Return the values of each image of the last ``evaluate``, in the order of the data set.

        If an image has no value (the class is in neither prediction nor label), ``values`` omits it
        rather than hold NaN.
        """


class Evaluator(Protocol):
    """A group of metrics; follows mmengine's ``Evaluator``."""

    def process(self, data_samples: Sequence[Any], data_batch: Any | None = None) -> None:
        """Pass one batch to every metric.

        Args:
            data_samples: One per image of the batch.
            data_batch: Collated ``inputs`` and ``data_samples``.
        """

    def evaluate(self, size: int) -> Mapping[str, float]:
        """Return the values of all metrics.

        Args:
            size: Number of images in the split.
        """
