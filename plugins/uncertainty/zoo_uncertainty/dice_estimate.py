# SPDX-License-Identifier: Apache-2.0
"""The Dice that a prediction is expected to have, and an interval around it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["conformal_width", "dice_of", "expected_dice", "largest_by_group"]


def expected_dice(
    probabilities: NDArray[np.floating[Any]], predicted: NDArray[np.bool_]
) -> float | None:
    """Return the Dice that a mask has in expectation, or None if the mask is empty.

    ``2 * sum of p inside the mask / (pixels of the mask + sum of p everywhere)``: true pixels are
    replaced by their expected number, above and below the fraction.

    Args:
        probabilities: ``(H, W)`` of the class, calibrated.
        predicted: ``(H, W)``, where the class is predicted.

    Source:
        Soft Dice of Milletari et al. 2016, arXiv:1606.04797, with first powers in the denominator
        and the probabilities in place of the truth.
    """
    count = int(predicted.sum())
    if not count:
        return None
    inside = float(probabilities[predicted].sum(dtype=np.float64))
    return 2 * inside / (count + float(probabilities.sum(dtype=np.float64)))


def dice_of(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float | None:
    """Return the Dice of two masks of one shape, or None if both are empty.

    Args:
        predicted: Where a class is predicted.
        truth: Where it is.
    """
    total = int(predicted.sum()) + int(truth.sum())
    return 2 * int((predicted & truth).sum()) / total if total else None


def largest_by_group(errors: Sequence[tuple[str, float]]) -> Mapping[str, float]:
    """Return the largest absolute error of each group.

    Args:
        errors: Group and error of each image.
    """
    largest: dict[str, float] = {}
    for group, error in errors:
        largest[group] = max(abs(error), largest.get(group, 0.0))
    return largest


def conformal_width(errors: Sequence[float], alpha: float) -> float | None:
    """Return the width within which the error of a new group lies with probability ``1 - alpha``.

    It is the ``ceil((n + 1) * (1 - alpha))``-th smallest of the n errors.

    Args:
        errors: One of each group, not negative.
        alpha: Within ``(0, 1)``.

    Returns:
        None if there are too few groups for any finite width.

    Source:
        Split conformal prediction: Lei et al. 2018, arXiv:1604.04173, algorithm 2.
    """
    place = math.ceil(round((len(errors) + 1) * (1 - alpha), 9))
    return float(sorted(errors)[place - 1]) if place <= len(errors) else None
