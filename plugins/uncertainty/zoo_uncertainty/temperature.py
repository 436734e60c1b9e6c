# SPDX-License-Identifier: Apache-2.0
"""One temperature for the probabilities of a model, and how well these hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BINS",
    "HIGHEST",
    "LEAST_PROBABILITY",
    "LOWEST",
    "calibration_error",
    "fit_temperature",
    "logs_of",
    "negative_log_likelihood",
    "tempered",
]

BINS = 10
"""Of equal width, as in ``zoo report``."""
LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of a temperature."""
LEAST_PROBABILITY = 1e-7
"""A smaller one counts as this: a float32 just below 1 is no nearer to it."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_WIDTH = 1e-7  # of the logarithm of a temperature


def logs_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logarithms of probabilities: logits, but for a constant of each pixel.

    Args:
        probabilities: Of any shape; those below `LEAST_PROBABILITY` count as it.
    """
    logs: NDArray[np.float32] = np.log(np.maximum(probabilities, np.float32(LEAST_PROBABILITY)))
    return logs


def tempered(logs: NDArray[Any], temperature: float, *, axis: int = 1) -> NDArray[Any]:
    """Return ``softmax(logs / temperature)``, in the type of the logarithms.

    Args:
        logs: Logits, or logarithms of probabilities.
        temperature: Above 1 makes a model less sure, below 1 surer.
        axis: The one of the classes.

    Source:
        Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """
    scaled = logs / logs.dtype.type(temperature)
    scaled = np.exp(scaled - scaled.max(axis=axis, keepdims=True))
    shares: NDArray[Any] = scaled / scaled.sum(axis=axis, keepdims=True)
    return shares


def negative_log_likelihood(
    logs: NDArray[Any], truth: NDArray[np.integer[Any]], temperature: float = 1.0
) -> float:
    """Return the mean of ``-log p`` of the true classes, in nats.

    Args:
        logs: ``(N, C)``.
        truth: ``(N,)``, ids below C.
        temperature: See `tempered`.
    """
    scaled = logs.astype(np.float64) / temperature
    top = scaled.max(axis=1)
    total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((total - scaled[np.arange(len(truth)), truth]).mean())


def fit_temperature(logs: NDArray[Any], truth: NDArray[np.integer[Any]]) -> float:
    """Return the temperature with the least negative log-likelihood.

    The likelihood is convex in ``1 / temperature``, so a golden-section search over its logarithm
    finds the minimum, or the bound that is nearest to it.

    Args:
        logs: ``(N, C)``, N >= 1.
        truth: ``(N,)``, ids below C.
    """
    found = _least(
        lambda at: negative_log_likelihood(logs, truth, math.exp(at)),
        math.log(LOWEST),
        math.log(HIGHEST),
    )
    return math.exp(found)


def _least(value: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with a single minimum is least."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    while high - low > _WIDTH:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return (low + high) / 2


def calibration_error(
    logs: NDArray[Any], truth: NDArray[np.integer[Any]], temperature: float = 1.0
) -> float:
    """Return the expected calibration error of the predicted class, in ``[0, 1]``.

    Pixels are sorted into `BINS` bins of equal width by the probability of their predicted class;
    the error is the mean over pixels of the distance between the mean probability of a bin and its
    share of correct pixels.

    Args:
        logs: ``(N, C)``, N >= 1.
        truth: ``(N,)``, ids below C.
        temperature: See `tempered`.

    Source:
        Naeini et al. 2015; Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    shares = tempered(logs.astype(np.float64), temperature)
    sure = shares.max(axis=1)
    right = shares.argmax(axis=1) == truth
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(place, sure, BINS) - np.bincount(place, right, BINS)
    return float(np.abs(gaps).sum() / len(truth))
