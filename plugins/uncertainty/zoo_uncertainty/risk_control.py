# SPDX-License-Identifier: Apache-2.0
"""Conformal risk control: the highest threshold that misses no more than a stated share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["THRESHOLDS", "count_missed", "find_threshold", "least_groups", "missed_share"]

_STEPS = np.linspace(-12.0, 12.0, 2401)
THRESHOLDS: NDArray[np.float32] = np.concatenate([[0.0], 1 / (1 + np.exp(-_STEPS))]).astype(
    np.float32
)
"""The thresholds to choose from, rising: 0, then in steps of 1 % of the odds."""


def least_groups(alpha: float) -> int:
    """Return how many groups a guarantee needs: with fewer, only threshold 0 has one.

    Args:
        alpha: Within ``(0, 1)``.
    """
    return math.ceil(round(1 / alpha - 1, 9))


def count_missed(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return how many pixels are below each of `THRESHOLDS`, which a prediction misses.

    Args:
        probabilities: Those of a class at the pixels that are of this class, of any shape.
    """
    values = np.asarray(probabilities, np.float32).ravel()
    # A pixel is kept by the thresholds up to its probability.
    kept_by = np.searchsorted(THRESHOLDS, values, side="right")
    return np.cumsum(np.bincount(kept_by, minlength=len(THRESHOLDS) + 1))[: len(THRESHOLDS)]


def find_threshold(missed: NDArray[np.floating[Any]], alpha: float) -> float | None:
    """Return the highest threshold whose expected missed share in a new group is at most ``alpha``.

    With the n groups of a calibration and one new group exchangeable, this holds on average over
    calibrations and new groups if ``n / (n + 1) * mean + 1 / (n + 1) <= alpha``, where mean is
    the mean of their missed shares; 1 is the largest share. The scores must not depend on the
    calibration.

    Args:
        missed: ``(groups, len(THRESHOLDS))``, shares in ``[0, 1]`` that rise along a row.
        alpha: Within ``(0, 1)``.

    Returns:
        None if there are fewer groups than `least_groups`.

    Source:
        Angelopoulos et al. 2022, Conformal Risk Control, arXiv:2208.02814, equation 4 with B = 1.
    """
    count = len(missed)
    if not count:
        return None
    bounds = (count * missed.mean(axis=0) + 1) / (count + 1)
    # Sums of the same shares in another order may differ in the last digit.
    allowed = np.flatnonzero(bounds <= alpha + 1e-12)
    return float(THRESHOLDS[allowed[-1]]) if len(allowed) else None


def missed_share(missed: NDArray[np.floating[Any]], threshold: float) -> NDArray[np.floating[Any]]:
    """Return the missed share of each group at a threshold that `find_threshold` returned.

    Args:
        missed: ``(groups, len(THRESHOLDS))``.
        threshold: One of `THRESHOLDS`.
    """
    return missed[:, int(np.searchsorted(THRESHOLDS, np.float32(threshold)))]
