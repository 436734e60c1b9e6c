# SPDX-License-Identifier: Apache-2.0
"""A stated number beside a measured one: equal within what protocol and rounding allow, or not."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Comparison", "allowed_difference", "compare"]

_MOST_ROUNDED = 6  # digits after the point; a number with more was not rounded for people


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One number of a row.

    Attributes:
        metric: Its name.
        dataset: Data set of the row.
        split: Split of the row.
        unit: ``fraction`` or ``percent``.
        stated: Value of the row.
        measured: Value measured now, or None.
        tolerance: Largest difference that counts as equal, or None if nothing was measured.
        state: ``equal``, ``differs`` or ``not measured``.
        reason: Why it was not measured, or None.
        get: How to get what is missing, or None.
    """

    metric: str
    dataset: str
    split: str
    unit: str
    stated: float
    measured: float | None = None
    tolerance: float | None = None
    state: str = "not measured"
    reason: str | None = None
    get: str | None = None


def allowed_difference(stated: float, tolerance: float) -> float:
    """Return the largest difference that counts as equal: tolerance and rounding.

    Args:
        stated: Value of the row; one with few digits was rounded to them.
        tolerance: Of the protocol, for a device of the same class.

    Example:
        >>> round(allowed_difference(0.9738, 0.0001), 6)
        0.00015
    """
    digits = len(repr(float(stated)).partition(".")[2])
    return tolerance + (0.5 * 10.0**-digits if digits <= _MOST_ROUNDED else 0.0)


def compare(asked: Comparison, found: float | None, tolerance: float) -> Comparison:
    """Return a number of a row, compared with what was measured.

    Args:
        asked: The number, not measured yet.
        found: The value of the metric of that name; None if there is none.
        tolerance: Of the protocol.
    """
    known = {**vars(asked)}
    if found is None or not math.isfinite(found):
        reason = "its config has no such metric" if found is None else "there was nothing to score"
        return Comparison(**{**known, "reason": reason})
    allowed = allowed_difference(asked.stated, tolerance)
    is_equal = abs(found - asked.stated) <= allowed
    state = "equal" if is_equal else "differs"
    return Comparison(**{**known, "measured": found, "tolerance": allowed, "state": state})
