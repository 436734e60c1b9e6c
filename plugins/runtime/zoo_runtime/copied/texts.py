# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.texts, by tools/runtime_copies.py.
r"""Make text from outside safe for a terminal: printable, on one line, and not too long.

A class name, a file name or a summary may contain characters that move the cursor, end the line or
reverse the text direction. They are shown as Python escapes (``\x1b``, ``\n``).
"""

from __future__ import annotations

import reprlib
from datetime import date, time
from typing import Any

__all__ = ["counted", "log_printably", "printable", "shown", "unit_text"]

_MOST_CHARACTERS = 80


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text with unprintable characters escaped.

    Args:
        text: Any text.
        keep: Characters not to escape, such as newlines in a text of several lines.

    Example:
        >>> printable("cell\x1b[2J")
        'cell\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )


class _Shown(reprlib.Repr):
    """A short ``repr`` for any value; dates are written as in TOML."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _MOST_CHARACTERS
        self.maxlevel, self.maxlist, self.maxdict = 3, 6, 4

    def repr1(self, x: Any, level: int) -> str:
        return x.isoformat() if isinstance(x, (date, time)) else super().repr1(x, level)


def shown(value: object) -> str:
    """Return a value for an error message: like ``repr``, but never long.

    Args:
        value: Any value.

    Example:
        >>> shown(["a", "b"])
        "['a', 'b']"
    """
    return _Shown().repr(value)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    Args:
        number: How many there are.
        noun: In the singular; ``weights`` has none.

    Example:
        >>> counted(1, "image"), counted(4, "image"), counted(2, "loss"), counted(1, "weights")
        ('1 image', '4 images', '2 losses', '1 weights')
    """
    if number == 1 or noun == "weights":
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def unit_text(unit: str | None) -> str:
    """Return what to write directly after a value; nothing for fractions and plain numbers.

    Args:
        unit: A unit of a metric's value, or None.

    Example:
        >>> [f"3{unit_text(unit)}" for unit in ("fraction", "percent", "px")]
        ['3', '3%', '3 px']
    """
    if unit in (None, "", "fraction", "count"):
        return ""
    return "%" if unit == "percent" else f" {unit}"


def log_printably() -> None:
    """Escape unprintable characters in all log messages from now on, from any logger."""
    import logging

    class Record(logging.LogRecord):
        def getMessage(self) -> str:
            return printable(super().getMessage(), keep="\n\t")

    logging.setLogRecordFactory(Record)
