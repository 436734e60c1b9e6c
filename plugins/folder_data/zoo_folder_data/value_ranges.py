# SPDX-License-Identifier: Apache-2.0
"""Parse mask values in ``classes.toml``: ``7``, ``"128-255"``, ``"<128"``, ``">=128"``.

Anti-aliasing and JPEG produce many grey values between two classes, so a class can have a range.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["MOST_VALUE", "Span", "join_spans", "parse_spans", "spell_span"]

MOST_VALUE = 65535
_RANGE = re.compile(r"(\d{1,5})\s*(?:-\s*(\d{1,5}))?")
_LIMIT = re.compile(r"(<=|<|>=|>)\s*(\d{1,5})")

Span = tuple[int, int]
"""The lowest and the highest value of a range, both included."""


def parse_spans(given: object) -> list[Span] | None:
    """Return the ranges of ``values = ...`` in order, or None if it is invalid.

    Args:
        given: An integer, a text of comma-separated ranges and limits, or a list of both.

    Example:
        >>> parse_spans([7, "10-20, 30"])
        [(7, 7), (10, 20), (30, 30)]
        >>> parse_spans("<128")
        [(0, 127)]
    """
    if isinstance(given, list):
        parts = [parse_spans(part) if not isinstance(part, list) else None for part in given]
        if not parts or any(part is None for part in parts):
            return None
        return [span for part in parts for span in part or ()]
    if isinstance(given, str):
        spans = [_parse_text(part.strip()) for part in given.split(",")]
    elif isinstance(given, int) and not isinstance(given, bool):
        spans = [(given, given)]
    else:
        return None
    fitting = [span for span in spans if span and 0 <= span[0] <= span[1] <= MOST_VALUE]
    return fitting if len(fitting) == len(spans) else None


def _parse_text(text: str) -> Span | None:
    limit = _LIMIT.fullmatch(text)
    if limit:
        value = int(limit[2])
        return {
            "<": (0, value - 1),
            "<=": (0, value),
            ">": (value + 1, MOST_VALUE),
            ">=": (value, MOST_VALUE),
        }[limit[1]]
    found = _RANGE.fullmatch(text)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def spell_span(span: Span) -> str:
    """Return a range as ``classes.toml`` spells it: ``7`` or ``10-20``.

    Args:
        span: First and last value, inclusive.

    Example:
        >>> spell_span((7, 7)), spell_span((10, 20))
        ('7', '10-20')
    """
    low, high = span
    return str(low) if low == high else f"{low}-{high}"


def join_spans(values: Sequence[int]) -> list[Span]:
    """Return ascending values as ranges of consecutive values.

    Args:
        values: Ascending integers.

    Example:
        >>> join_spans([1, 2, 3, 7])
        [(1, 3), (7, 7)]
    """
    spans: list[Span] = []
    for value in values:
        if spans and value == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], value)
        else:
            spans.append((value, value))
    return spans
