# SPDX-License-Identifier: Apache-2.0
"""The order in which to label images: uncertain and unlike ones first, and no two alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo_uncertainty.appearance import distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["order_of", "shares_below"]

_MOST = 1_000


def shares_below(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the share of the others that is below each value; equal ones count half.

    Args:
        values: At least one.
    """
    table = np.asarray(values, np.float64)
    ordered = np.sort(table)
    less = np.searchsorted(ordered, table, side="left")
    same = np.searchsorted(ordered, table, side="right") - less - 1
    shares: NDArray[np.float64] = (less + same / 2) / max(1, len(table) - 1)
    return shares


def order_of(scores: Sequence[float], appearances: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Return all images in the order in which to label them, each with its gain.

    Each time, the image with the highest gain is next: its score times how far it is from the
    nearest that was chosen before, in medians of the distances between the images, at most 1.
    The first of equal ones is next.

    Args:
        scores: Of each image, not negative.
        appearances: ``(N, F)``, in units that make differences comparable.

    Returns:
        Index and gain.
    """
    worth, count = np.asarray(scores, np.float64), len(scores)
    unit = _median_distance(appearances)
    nearest, left = np.full(count, np.inf), np.ones(count, bool)
    order = []
    for _ in range(count):
        gains = worth * np.minimum(1.0, nearest / unit) if unit > 0 else worth
        best = int(np.argmax(np.where(left, gains, -1.0)))
        order.append((best, float(gains[best])))
        left[best] = False
        nearest = np.minimum(nearest, distances(appearances[best : best + 1], appearances)[0])
    return order


def _median_distance(appearances: NDArray[np.float64]) -> float:
    """Return the median over pairs of images, of at most `_MOST` evenly spaced ones."""
    count = len(appearances)
    chosen = appearances[np.arange(min(count, _MOST)) * count // min(count, _MOST)]
    pairs = distances(chosen, chosen)[np.triu_indices(len(chosen), 1)]
    return float(np.median(pairs)) if len(pairs) else 1.0
