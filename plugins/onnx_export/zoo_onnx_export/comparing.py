# SPDX-License-Identifier: Apache-2.0
"""How far the labels and probabilities of a graph depart from the original's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zoo
from zoo.errors import DataError
from zoo_onnx_export.after import LABELS, PROBABILITIES
from zoo_onnx_export.images import Sample, smooth_noise
from zoo_onnx_export.running import Session
from zoo_onnx_export.tolerances import (
    QUANTISED_TOLERANCE,
    TOLERANCE,
    Departure,
    departures_of,
)

__all__ = ["UNLABELLED", "Measured", "beyond", "compare", "measure_metric", "semantic_calls"]

_SIZES = ((1, 31, 47), (2, 64, 96), (3, 97, 33), (1, 200, 120), (2, 513, 700))
UNLABELLED = 255
"""The id of pixels without a class."""


@dataclass(slots=True)
class Measured:
    """What was compared.

    Attributes:
        classes: Number of classes.
        images: Number of images.
        pixels: Number of pixels.
        differing: Pixels whose label differs.
        largest: Largest difference of a probability.
        worst: The image on which it departs most, with its pixels.
        sizes: Sizes of generated images on which it was compared besides, with their batch.
        counts: By side, a matrix of truth and label.
        tolerance: Up to what it may depart.
    """

    classes: int
    images: int = 0
    pixels: int = 0
    differing: int = 0
    largest: float = 0.0
    worst: Sample | None = None
    sizes: list[str] = field(default_factory=list)
    counts: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=lambda: TOLERANCE)

    @property
    def labels_differ(self) -> float:
        """Share of pixels whose label differs."""
        return self.differing / max(1, self.pixels)

    def metric(self) -> dict[str, Any] | None:
        """Return the mean IoU of both over the classes that occur; None without truth."""
        if not self.counts:
            return None
        return {"name": "mean_iou", **{side: _mean_iou(one) for side, one in self.counts.items()}}

    def values(self) -> dict[str, Any]:
        """Return what a certificate states."""
        return {
            "labels_differ": self.labels_differ,
            "largest_difference": self.largest,
            "metric": self.metric(),
        }

    def departures(self) -> list[Departure]:
        """Return what is out of tolerance."""
        metric = self.metric()
        differ = None if metric is None else abs(metric["original"] - metric["exported"])
        return departures_of({**self.values(), "metric": differ}, self.tolerance)

    def see(self, sample: Sample, labels: _Both, probabilities: _Both) -> None:
        """Count one image."""
        differing = int((labels.original != labels.exported).sum())
        largest = float(np.abs(probabilities.original - probabilities.exported).max())
        is_worse = not (largest <= self.largest or np.isnan(self.largest))
        if self.worst is None or is_worse:
            self.worst = sample
        self.largest = float(np.maximum(self.largest, largest))  # NaN, once there is one
        self.pixels += labels.original.size
        self.differing += differing
        if sample.truth is not None:
            for side in ("original", "exported"):
                found = _confusion(sample.truth, getattr(labels, side), self.classes)
                self.counts[side] = self.counts.get(side, 0) + found


@dataclass(frozen=True, slots=True, eq=False)
class _Both:
    original: NDArray[Any]
    exported: NDArray[Any]


def _confusion(truth: NDArray[Any], labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    known = truth < classes
    places = truth[known].astype(np.int64) * classes + np.minimum(labels[known], classes - 1)
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


def _mean_iou(counts: NDArray[np.int64]) -> float:
    hit = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hit
    return float((hit[union > 0] / union[union > 0]).mean()) if (union > 0).any() else 1.0


def compare(
    model: zoo.Predictor, session: Session, samples: Sequence[Sample], *, is_quantised: bool = False
) -> Measured:
    """Compare on images, and on generated ones of odd sizes and several at once.

    Args:
        model: The original.
        session: The graph.
        samples: The images.
        is_quantised: Whether the graph is in 8 bits. It was calibrated on images of a kind, and
            says nothing of generated ones.

    Raises:
        DataError: The original fails on an image.
        FileError: The graph fails on an image.
    """
    measured = Measured(len(model.model.classes))
    raw = _without_postprocess(model)
    for sample in samples:
        _compare_batch(raw, session, [sample], measured)
    measured.images = len(samples)
    if is_quantised:
        measured.tolerance = QUANTISED_TOLERANCE
        return measured
    for batch, size in _generated(model):
        try:
            _compare_batch(raw, session, batch, measured)
        except DataError:  # the original takes no image of this size
            continue
        measured.sizes.append(f"{len(batch)}x{size}")
    return measured


def _without_postprocess(model: zoo.Predictor) -> zoo.Predictor[zoo.SemanticResult]:
    """Return the predictor of the network's own labels of whole images, which a graph gives."""
    return zoo.Predictor(model.model, postprocess=None, tiling=None)


def _generated(model: zoo.Predictor) -> Iterator[tuple[list[Sample], str]]:
    larger = ((1, *size) for size in beyond(model, [size[1:] for size in _SIZES]))
    for count, height, width in (*_SIZES, *larger):
        size = f"{height}x{width}"
        images = [smooth_noise(height, width, seed=index) for index in range(count)]
        yield [Sample(f"a generated image of {size} px", one) for one in images], size


def beyond(model: zoo.Predictor, sizes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return a height and width beyond every length that a pipeline states, unless one is given.

    Args:
        model: The original.
        sizes: Heights and widths that are compared anyway.
    """
    padding = getattr(model.model.module.data_preprocessor, "test_cfg", None) or {}
    stated = [getattr(step, name, None) for step in model.transforms for name in ("size", "scale")]
    longest = max(_lengths([*stated, padding.get("size")]), default=0)
    if any(min(size) > longest for size in sizes):
        return []
    return [(longest + 33, longest + 65)]


def _lengths(stated: Any) -> Iterator[int]:
    """Yield the integers in a number, or in sequences of them."""
    if isinstance(stated, int):
        yield stated
    elif isinstance(stated, (list, tuple)):
        for one in stated:
            yield from _lengths(one)


def _compare_batch(
    model: zoo.Predictor[zoo.SemanticResult],
    session: Session,
    batch: Sequence[Sample],
    measured: Measured,
) -> None:
    originals = [(model(one.pixels).labels, model.probabilities(one.pixels)) for one in batch]
    labels, shares = session(np.stack([one.pixels for one in batch]), (LABELS, PROBABILITIES))
    for index, (sample, original) in enumerate(zip(batch, originals, strict=True)):
        found = _Both(original[0], labels[index]), _Both(original[1], shares[index])
        measured.see(sample, *found)


def measure_metric(
    session: Session, samples: Sequence[Sample], classes: int
) -> dict[str, Any] | None:
    """Return the mean IoU of a graph alone; None without truth.

    Args:
        session: The graph.
        samples: The images.
        classes: Number of classes.
    """
    counts = np.zeros((classes, classes), np.int64)
    for sample in samples:
        if sample.truth is not None:
            (labels,) = session(sample.pixels[None], (LABELS,))
            counts += _confusion(sample.truth, labels[0], classes)
    return {"name": "mean_iou", "exported": _mean_iou(counts)} if counts.any() else None


def semantic_calls(
    model: zoo.Predictor, session: Session, pixels: NDArray[np.uint8]
) -> dict[str, Callable[[], object]]:
    """Return how both sides are called on an image.

    Args:
        model: The original.
        session: The graph.
        pixels: ``(H, W, 3)`` RGB.
    """
    raw = _without_postprocess(model)
    return {
        "original": lambda: raw(pixels),
        "exported": lambda: session(pixels[None], (LABELS,)),
    }
