# SPDX-License-Identifier: Apache-2.0
"""Normalize names, and find the most similar path."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

__all__ = ["compose", "find_near"]

_MOST_COMPARED = 5000
_LEAST_LIKENESS = 0.6


def compose(text: str) -> str:
    """Return a name in Unicode's composed form (NFC).

    macOS stores accents and umlauts as separate characters, other systems do not. Both forms are
    the same name.

    Args:
        text: A name or path.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def find_near(path: str, paths: Sequence[str]) -> str | None:
    """Return the path with the most similar file name, or None.

    Case, Unicode form and ``%20`` count least, then the suffix, then other letters.

    Args:
        path: The missing path.
        paths: Existing paths.

    Example:
        >>> find_near("a%20b.png", ["images/c.png", "images/A b.PNG"])
        'images/A b.PNG'
    """
    for loosen in (_loosen, _loosen_stem):
        wanted = loosen(path)
        alike = next((found for found in paths if loosen(found) == wanted), None)
        if alike is not None:
            return alike
    by_name = _by_name(paths[:_MOST_COMPARED])
    near = difflib.get_close_matches(_loosen(path), by_name, n=1, cutoff=_LEAST_LIKENESS)
    return by_name[near[0]] if near else None


def _by_name(paths: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(_loosen(path), path)
    return found


def _loosen(path: str) -> str:
    name = unquote(PurePosixPath(path).name)
    return unicodedata.normalize("NFKC", name).casefold()


def _loosen_stem(path: str) -> str:
    return PurePosixPath(_loosen(path)).stem
