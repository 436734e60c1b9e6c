# SPDX-License-Identifier: Apache-2.0
"""Metrics rounded to the digits that their number of images supports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["decimals_of", "rounded_rows"]

_LEAST, _MOST = 3, 6
_UNKNOWN = 4


def decimals_of(images: int | None) -> int:
    """Return how many decimals of a fraction are kept for a number of images.

    3 up to 100 images, 4 up to 10,000, one more for each hundredfold, and at most 6; 4 if the
    number is not known. The last digit is then 1/50 to 1/500 of ``0.5 / sqrt(images)``, the largest
    standard error that a mean of fractions over so many images can have.

    Args:
        images: Number of measured images, or None.
    """
    if not images:
        return _UNKNOWN
    # Whole numbers: the logarithm of 10,000 is not exactly 4 everywhere.
    return min(_MOST, max(_LEAST, 2 + (len(str(images - 1)) + 1) // 2))


def rounded_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return metric rows with their values rounded; nothing else changes.

    A percentage keeps two decimals less than a fraction. Any other value beyond 1 keeps one digit
    more than the decimals of a fraction, from its first digit on; before the point, all.

    Args:
        rows: Rows with ``value``, and perhaps ``unit`` and ``images``.
    """
    return [{**row, "value": _rounded(row)} for row in rows]


def _rounded(row: Mapping[str, Any]) -> float:
    value, decimals = float(row["value"]), decimals_of(row.get("images"))
    if row.get("unit") == "percent":
        return round(value, decimals - 2)
    if abs(value) <= 1:
        return round(value, decimals)
    return round(value, max(0, decimals - math.floor(math.log10(abs(value)))))
