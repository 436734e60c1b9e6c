# SPDX-License-Identifier: Apache-2.0
"""The loss over a rising learning rate: smoothed, and a rate to begin with."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["DIVERGED", "ramp", "smoothed", "suggested"]

DIVERGED = 4.0
"""Times the smallest smoothed loss, from which on a run has diverged."""
_LEAST_FALL = 1e-6  # of the first loss, for a rate that is e times as high: less is rounding
_BELOW_LOWEST = 10
_KEPT = 0.9  # share of the mean before, in each new mean


def ramp(low: float, high: float, steps: int) -> list[float]:
    """Return rates that grow by the same factor from step to step.

    Args:
        low: The first rate, above 0.
        high: The last rate, above ``low``.
        steps: Their number, at least 2.
    """
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the running mean of losses, without the bias of its beginning towards 0.

    Args:
        losses: Of each step.

    Source:
        Kingma and Ba 2015, arXiv:1412.6980, section 3.
    """
    means, mean = [], 0.0
    for step, loss in enumerate(losses, 1):
        mean = _KEPT * mean + (1 - _KEPT) * loss
        means.append(mean / (1 - _KEPT**step))
    return means


def suggested(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate at which the smoothed loss falls fastest.

    It is at most a tenth of the rate of the smallest smoothed loss, behind which runs diverge; the
    mean lags behind the loss.

    Args:
        rates: Of each step, rising.
        losses: Of each step.

    Returns:
        A rate of ``rates``; None if the loss never falls, or has fewer than three values.

    Source:
        Smith 2017, arXiv:1506.01186, section 3.3, reads the range from the curve; the tenth is a
        rule of thumb that fastai's finder uses too.
    """
    pairs = [pair for pair in zip(rates, smoothed(losses), strict=False) if math.isfinite(pair[1])]
    if len(pairs) < 3:
        return None
    lowest = min(range(len(pairs)), key=lambda step: pairs[step][1])
    falls = [
        (pairs[step + 1][1] - pairs[step - 1][1])
        / math.log(pairs[step + 1][0] / pairs[step - 1][0])
        for step in range(1, min(lowest + 1, len(pairs) - 1))
    ]
    if not falls or min(falls) > -_LEAST_FALL * abs(pairs[0][1]):
        return None
    steepest = pairs[1 + falls.index(min(falls))][0]
    bound = pairs[lowest][0] / _BELOW_LOWEST
    return max((rate for rate, _ in pairs if rate <= min(bound, steepest)), default=pairs[0][0])
