# SPDX-License-Identifier: Apache-2.0
"""Group messages that differ only in names and numbers."""

from __future__ import annotations

import re
from itertools import groupby

__all__ = ["kind_of", "without_names"]

_NAMES = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_MORE = re.compile(r"\band (?:at least )?\d+ more\b")


def without_names(message: str) -> str:
    """Return a message without its quoted names.

    Args:
        message: A line of a report.

    Example:
        >>> without_names("mask without an image called 'a'")
        "mask without an image called ''"
    """
    return _NAMES.sub("''", message)


def kind_of(message: str) -> str:
    """Return a message without quoted names and numbers, which differ from file to file.

    A list of several values counts as the same kind as a list of one.

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
