# SPDX-License-Identifier: Apache-2.0
"""Compute any metric image by image.

mmengine's metrics collect the contribution of each image in ``results`` and compute at the end.
Computing from the part of one image gives that image's value, for any metric and without its help.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import math
import numbers
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.evaluator import BaseMetric, Evaluator

__all__ = ["PerImageValues", "keeping_per_image"]

_LOG = logging.getLogger("zoo")

# What a metric raises if it is not defined on one image, such as a rank correlation.
_UNDEFINED = (ArithmeticError, AssertionError, LookupError, ValueError)


class PerImageValues:
    """Collects values by image, in the order of the images.

    Args:
        evaluator: The evaluator whose metrics are computed.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        # An evaluator of a plugin may have no metrics, or values of its own for each image.
        self._metrics: list[BaseMetric] = list(getattr(evaluator, "metrics", ()))
        self._reporting = [
            each for each in (*self._metrics, evaluator) if hasattr(each, "per_image_values")
        ]
        self._process = evaluator.process
        self._rows: dict[str, dict[str, float]] = {}

    def add(self, data_samples: Sequence[Any], data_batch: Any) -> None:
        """Pass a batch to the evaluator, image by image, and keep each image's values.

        Args:
            data_samples: Predictions as dicts, one per image.
            data_batch: The batch that they were made from.
        """
        for index, sample in enumerate(data_samples):
            file = str(sample.get("img_path", len(self._rows)))
            row = self._rows.setdefault(file, {})
            batch = _one_of(data_batch, index, len(data_samples))
            before = [len(metric.results) for metric in self._metrics]
            self._process([sample], batch)
            for metric, start in zip(self._metrics, before, strict=True):
                if metric not in self._reporting:
                    row.update(_values_of(metric, metric.results[start:]))

    def rows(self) -> list[dict[str, Any]]:
        """Return ``{"file", "values"}`` of each image; metrics may report their own values.

        Call this after the evaluator has evaluated.
        """
        for reporting in self._reporting:
            for image in reporting.per_image_values():
                values = _scalars(image["values"], getattr(reporting, "prefix", None))
                self._rows.setdefault(str(image["file"]), {}).update(values)
        rows = [{"file": file, "values": values} for file, values in self._rows.items()]
        return _gathered(rows)


@contextlib.contextmanager
def keeping_per_image(evaluator: Evaluator) -> Iterator[PerImageValues]:
    """Pass an evaluator's batches through the yielded object.

    Args:
        evaluator: The evaluator of a test loop; restored afterwards.
    """
    kept = PerImageValues(evaluator)

    def process(data_samples: Sequence[Any], data_batch: Any = None) -> None:
        kept.add([_as_dict(sample) for sample in data_samples], data_batch)

    evaluator.process = process
    try:
        yield kept
    finally:
        del evaluator.process


def _as_dict(sample: Any) -> Any:
    return sample.to_dict() if hasattr(sample, "to_dict") else sample


def _one_of(batch: Any, index: int, size: int) -> Any:
    """Return a batch of the one image, if the batch is a dict of lists as mmengine collates it."""
    if not isinstance(batch, Mapping):
        return batch
    return {
        key: value[index : index + 1] if _is_list_of(value, size) else value
        for key, value in batch.items()
    }


def _is_list_of(value: Any, size: int) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and len(value) == size


def _values_of(metric: BaseMetric, results: list[Any]) -> dict[str, float]:
    if not results:
        return {}
    probe = copy.copy(metric)
    probe.results = list(results)
    if hasattr(probe, "img_ids"):
        # COCO's metric would count the other images as missed.
        probe.img_ids = [truth["img_id"] for truth, _ in results]
    try:
        with _silence():
            values: Mapping[str, Any] = probe.compute_metrics(copy.deepcopy(results))
    except _UNDEFINED as error:
        _LOG.debug("%s has no value for a single image: %s", type(metric).__name__, error)
        return {}
    return _scalars(values, metric.prefix)


def _scalars(values: Mapping[str, Any], prefix: str | None) -> dict[str, float]:
    """Return the finite numbers among the values, under mmengine's names."""
    found = {}
    for name, value in values.items():
        number = value.item() if getattr(value, "size", None) == 1 else value
        if isinstance(number, numbers.Real) and math.isfinite(number):
            found[f"{prefix}/{name}" if prefix else str(name)] = float(number)
    return found


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide the tables and warnings that a metric prints for each computation."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addFilter(_refuse)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(_refuse)


def _refuse(record: logging.LogRecord) -> bool:
    return False


def _gathered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of all processes in the order of the data set, an image's values united.

    Padding repeats an image in two processes, and a metric that reports its own values does so
    only in the main process, after the images that it has seen itself.
    """
    from mmengine.dist import all_gather_object, get_world_size

    if get_world_size() == 1:
        return rows
    every: list[list[dict[str, Any]]] = all_gather_object(rows)
    merged: dict[str, dict[str, float]] = {}
    # mmengine deals images out like cards.
    for row in (row for turn in zip_longest(*every) for row in turn if row is not None):
        merged.setdefault(row["file"], {}).update(row["values"])
    return [{"file": file, "values": values} for file, values in merged.items()]
