# SPDX-License-Identifier: Apache-2.0
"""Find the best step of a run: the one whose checkpoint it kept, else the best by its metric."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.engine.metric_facts import MetricFacts

__all__ = ["Best", "best_of_curve", "find_best_step"]

# The value that is best ranks lowest.
_RANKS: dict[str, Callable[[float], float]] = {
    "higher": lambda value: -value,
    "lower": lambda value: value,
    "zero": abs,
}
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
    facts: MetricFacts,
) -> Best | None:
    """Return the best step of a run, or None if nothing was measured.

    The step of its best checkpoint, if the log has it; else the best value of the metric that the
    log names first, as with mmengine's ``save_best='auto'``.

    Args:
        checkpoint: The best checkpoint of the run, ``best_<metric>_epoch_N.pth`` or ``..._iter_N``.
        metrics: Validation values, name -> iteration -> value.
        epochs: Iteration -> epoch, if validation is counted in epochs.
        facts: Which values of the run's metrics are best.
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
        best = best_of_curve(facts.direction(key), curve)
        if best is not None:
            return Best(best, key, curve[best], is_kept=False)
    return None


def best_of_curve(direction: str, curve: Mapping[int, float]) -> int | None:
    """Return the first step of the best value, or None if nothing was measured or none is best.

    Args:
        direction: ``higher``, ``lower``, ``zero`` for the value nearest to 0, or ``none``.
        curve: Step -> value; NaN counts as not measured.

    Example:
        >>> best_of_curve("lower", {10: 5.0, 20: 3.0}), best_of_curve("higher", {10: 0.5, 20: 0.4})
        (20, 10)
        >>> best_of_curve("zero", {10: -1.0, 20: -3.0, 30: 2.0})
        10
    """
    finite = {step: value for step, value in curve.items() if not math.isnan(value)}
    rank = _RANKS.get(direction)
    if rank is None:
        return None
    return min(finite, key=lambda step: (rank(finite[step]), step), default=None)
