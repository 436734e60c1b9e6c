# SPDX-License-Identifier: Apache-2.0
"""Find the best step of a run: the one whose checkpoint it kept, else the best by its metric."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Best", "best_of_curve", "find_best_step", "is_better_low"]

_LOW = ("loss", "error", "distance", "hd95", "assd", "rmse", "mae")
_KEPT = re.compile(r"best_(?P<key>.+)_(?P<unit>epoch|iter)_(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Best:
    """The best step of a run.

    Attributes:
        step: The step, in iterations.
        key: The metric that chose it.
        value: The metric's value at that step.
        is_kept: Whether the run kept its checkpoint.
    """

    step: int
    key: str
    value: float
    is_kept: bool


def find_best_step(
    checkpoint: Path | None,
    metrics: Mapping[str, Mapping[int, float]],
    epochs: Mapping[int, int],
) -> Best | None:
    """Return the best step of a run, or None if nothing was measured.

    The step of its best checkpoint, if the log has it; else the best value of the metric that the
    log names first, as with mmengine's ``save_best='auto'``.

    Args:
        checkpoint: The best checkpoint of the run, ``best_<metric>_epoch_N.pth`` or ``..._iter_N``.
        metrics: Validation values, name -> iteration -> value.
        epochs: Iteration -> epoch, if validation is counted in epochs.
    """
    found = _KEPT.fullmatch(checkpoint.stem) if checkpoint is not None else None
    if found:
        number = int(found["number"])
        ends = {epoch: step for step, epoch in epochs.items()}
        step = number if found["unit"] == "iter" else ends.get(number, -1)
        for key, curve in metrics.items():
            # As mmengine makes a file's name of a metric's.
            if key.replace("/", "_") == found["key"] and step in curve:
                return Best(step, key, curve[step], is_kept=True)
    for key, curve in metrics.items():
        best = best_of_curve(key, curve)
        if best is not None:
            return Best(best, key, curve[best], is_kept=False)
    return None


def best_of_curve(key: str, curve: Mapping[int, float]) -> int | None:
    """Return the first step of the best value: the lowest of a loss or distance, else the highest.

    For a bias, it is the value nearest to 0.

    Args:
        key: The metric's name, as in the log.
        curve: Step -> value; NaN counts as not measured.

    Example:
        >>> best_of_curve("hd95_px", {10: 5.0, 20: 3.0}), best_of_curve("dice", {10: 0.5, 20: 0.4})
        (20, 10)
        >>> best_of_curve("count_bias", {10: -1.0, 20: -3.0, 30: 2.0})
        10
    """
    finite = {step: value for step, value in curve.items() if not math.isnan(value)}
    if "bias" in key.lower():
        return min(finite, key=lambda step: (abs(finite[step]), step), default=None)
    sign = 1 if is_better_low(key) else -1
    return min(finite, key=lambda step: (sign * finite[step], step), default=None)


def is_better_low(key: str) -> bool:
    """Return whether lower is better for a metric of that name.

    Args:
        key: The metric's name, as in the log.
    """
    return any(word in key.lower() for word in _LOW)
