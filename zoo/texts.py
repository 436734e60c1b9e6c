# SPDX-License-Identifier: Apache-2.0
r"""Text from outside as a terminal may show it: printable, on one line, and not too long.

A class name, a file name or a summary may hold what moves the cursor, ends the line or turns the
order of the letters round. Such characters are shown as Python spells them (``\x1b``, ``\n``).
"""

from __future__ import annotations

import reprlib
from datetime import date, time
from typing import Any

__all__ = ["log_printably", "printable", "shown"]

_MOST_CHARACTERS = 80


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text in which what is not printable is escaped.

    Args:
        text: From anywhere.
        keep: Characters that stay as they are, such as the newlines of a text of several lines.

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
    """``repr`` that is short whatever the value, and spells dates as TOML does."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _MOST_CHARACTERS
        self.maxlevel, self.maxlist, self.maxdict = 3, 6, 4

    def repr1(self, x: Any, level: int) -> str:
        return x.isoformat() if isinstance(x, (date, time)) else super().repr1(x, level)


def shown(value: object) -> str:
    """Return a value as an error's message shows it: like ``repr``, and never long.

    Args:
        value: Anything, from anywhere.

    Example:
        >>> shown(["a", "b"])
        "['a', 'b']"
    """
    return _Shown().repr(value)


def log_printably() -> None:
    """Escape what is not printable in every message that is logged from here on, by anyone."""
    import logging

    class Record(logging.LogRecord):
        def getMessage(self) -> str:
            return printable(super().getMessage(), keep="\n\t")

    logging.setLogRecordFactory(Record)
