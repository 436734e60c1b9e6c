# SPDX-License-Identifier: Apache-2.0
"""Names that look alike: equal ones in another form, and the nearest of those that were found."""

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

    macOS splits accents and umlauts from their letters, other systems do not: both spellings look
    alike, and mean one name.

    Args:
        text: A name or path.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def find_near(path: str, paths: Sequence[str]) -> str | None:
    """Return the path whose last part is nearest to that of another one, or None.

    Upper and lower case, the form of letters and ``%20`` differ least; then the suffix; then
    letters.

    Args:
        path: What was looked for.
        paths: What was found.

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
