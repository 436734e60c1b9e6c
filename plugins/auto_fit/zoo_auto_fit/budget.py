# SPDX-License-Identifier: Apache-2.0
"""Times as people write them: ``30m``, ``1h30m``, ``90s``; and whether one suffices."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from zoo.errors import TrainingError
from zoo.interfaces import Fingerprint, Measured, Plan

__all__ = ["REPORT_S", "check_budget", "format_time", "needed_s", "parse_time"]

REPORT_S = 3.0
"""Kept free for the report, besides a share of the time."""
_SPARE = 1.5
"""A budget that is named has half to spare: the next probe may find a busier machine."""
_MOST_TRIES = 200
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?[hms])+")


def parse_time(text: str) -> float:
    """Return a time in seconds.

    Args:
        text: Numbers with the units ``h``, ``m`` and ``s``.

    Raises:
        ValueError: It is no such text, or 0.

    Example:
        >>> parse_time("1h30m"), parse_time("45s")
        (5400.0, 45.0)
    """
    plain = text.strip().lower().replace(" ", "")
    found = re.findall(r"(\d+(?:\.\d+)?)([hms])", plain) if _TIME.fullmatch(plain) else []
    seconds = sum(float(number) * _UNITS[unit] for number, unit in found)
    if not 0 < seconds < math.inf:
        message = f"found {text!r:.40}, expected a time above 0 such as 30m, 1h30m or 90s"
        raise ValueError(message)
    return seconds


def format_time(seconds: float) -> str:
    """Return a time as `parse_time` reads it, in whole seconds.

    Args:
        seconds: 0 or more.

    Example:
        >>> format_time(5400), format_time(75.2)
        ('1h30m', '1m15s')
    """
    whole = round(seconds)
    parts = [(whole // 3600, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def needed_s(data: Fingerprint, plan: Plan, known: Measured) -> float:
    """Return the time of one pass over the images, a validation, a checkpoint, test and report.

    Args:
        data: Numbers of images.
        plan: Images in a step.
        known: What a step takes.
    """
    step_s = known.step_s * plan.batch_size / known.batch_size
    around_s = known.start_s + known.val_s + known.save_s + known.test_s + REPORT_S
    return around_s + _steps_of_pass(data, plan) * step_s


def check_budget(
    data: Fingerprint,
    plan_in: Callable[[float], Plan],
    known: Measured,
    *,
    budget_s: float,
    used_s: float,
) -> None:
    """Refuse a time in which not every image is seen once.

    Args:
        data: Numbers of images.
        plan_in: The plan for a time for everything.
        known: What a step takes.
        budget_s: The time for everything.
        used_s: What was used of it.

    Raises:
        TrainingError: It is too small; the message says what would fit.
    """

    def is_enough(seconds: float) -> bool:
        plan = plan_in(seconds)
        fits = used_s + needed_s(data, plan, known) <= seconds
        return fits and plan.steps >= _steps_of_pass(data, plan)

    if is_enough(budget_s):
        return
    plan = plan_in(budget_s)
    needed = needed_s(data, plan, known)
    message = f"cannot fit in {format_time(budget_s)}: planning took {format_time(used_s)}, and "
    message += f"one pass over {data.images['train']:,} images with validation, test and report "
    message += f"takes {format_time(needed)} more"
    least = _find_least(is_enough, used_s + needed)
    if least is None:
        message += f", and the planner plans {plan.steps:,} steps in any time."
        raise TrainingError(message, hint="leave --planner out, or choose another one.")
    message += f", expected a budget of at least {format_time(least)}."
    hint = f"give --budget {format_time(least)}; ten times as much trains well."
    raise TrainingError(message, hint=hint)


def _steps_of_pass(data: Fingerprint, plan: Plan) -> int:
    return math.ceil(data.images["train"] / plan.batch_size)


def _find_least(is_enough: Callable[[float], bool], seconds: float) -> float | None:
    """Return a plain time that is enough with some to spare; None if none is found."""
    for _ in range(_MOST_TRIES):
        spared = _SPARE * seconds
        unit = 60 if spared > 120 else 10
        least = float(unit * math.ceil(spared / unit))
        if is_enough(least / _SPARE):
            return least
        seconds = 1.05 * least / _SPARE
    return None
