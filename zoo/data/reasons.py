# SPDX-License-Identifier: Apache-2.0
"""Messages of one kind, told apart from those of another: they differ in names and numbers only."""

from __future__ import annotations

import re
from itertools import groupby

__all__ = ["kind_of", "without_names"]

_NAMES = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_MORE = re.compile(r"\band (?:at least )?\d+ more\b")


def without_names(message: str) -> str:
    """Return a message with the names that it quotes left out.

    Args:
        message: A line of a report.

    Example:
        >>> without_names("mask without an image called 'a'")
        "mask without an image called ''"
    """
    return _NAMES.sub("''", message)


def kind_of(message: str) -> str:
    """Return a message without what differs from file to file: names in quotes, and numbers.

    A list of several values is one of the same kind as a list of one.

    Args:
        message: A line of a report.

    Example:
        >>> kind_of("'a.png' has the values 7 (3 px), 9 (1 px) and 4 more; expected 0.")
        'has the values px expected'
        >>> kind_of("'b.png' has the values 8 (140 px); expected 0.")
        'has the values px expected'
    """
    words = re.findall(r"[^\W\d_]+", _MORE.sub(" ", without_names(message)))
    return " ".join(word for word, _ in groupby(words))
