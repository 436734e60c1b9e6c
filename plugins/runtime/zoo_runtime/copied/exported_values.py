# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.records.exported_values, by tools/runtime_copies.py.
"""Whether values of an exported file's record are what they must be: anyone may have written it."""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_CLASSES", "are_classes", "are_colors", "is_licence", "is_text"]

MAX_CLASSES = 255
"""What labels of 8 bits hold besides 255 for no class."""
_MOST_CHARACTERS = 10_000


def is_text(value: Any) -> bool:
    """Return whether a value is a text of moderate length that a file can hold.

    Args:
        value: As JSON has it.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS:
        return False
    return not any("\ud800" <= one <= "\udfff" for one in value)  # no file can hold half a pair


def are_classes(value: Any) -> bool:
    """Return whether a value is a list of different names, 1 to `MAX_CLASSES`.

    Args:
        value: As JSON has it.
    """
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CLASSES:
        return False
    return all(map(is_text, value)) and len(set(value)) == len(value)


def are_colors(value: Any) -> bool:
    """Return whether a value is a list of RGB colours, each of three numbers from 0 to 255.

    Args:
        value: As JSON has it.
    """
    return isinstance(value, list) and all(
        isinstance(color, list)
        and len(color) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in color)
        for color in value
    )


def is_licence(value: Any) -> bool:
    """Return whether a value is null, or the terms of weights and data.

    Args:
        value: As JSON has it.
    """
    if value is None:
        return True
    if not isinstance(value, dict) or not all(is_text(value.get(k)) for k in ("weights", "data")):
        return False
    return any(value.get("non_commercial") is one for one in (None, True, False))
