# SPDX-License-Identifier: Apache-2.0
"""Lines of a manifest's tables and keys: ``tomllib`` does not tell them."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from zoo.documents import DocumentError, read_file, read_text
from zoo.manifest.reading import LIMITS

__all__ = ["names_in", "place_in_text", "place_of", "text_of"]

# Texts of several lines, which may hold anything, and comments.
_LONG_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_MOST_OF_LINE = 1_000  # a line that is longer was not written by hand
_KEY = r"""(?:^|[\s{{,.])["']?{}["']?\s*="""


def text_of(path: Path) -> str:
    """Return a text file of a plugin; empty if it cannot be read.

    Args:
        path: The file.
    """
    try:
        return read_text(read_file(path, LIMITS.size_bytes))
    except (OSError, DocumentError):
        return ""


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; none if it cannot be read.

    Args:
        folder: Any path.
    """
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def place_of(
    path: Path, table: str = "", number: int = 0, key: str | None = None, told: str = ""
) -> str:
    """Return ``file:line`` of a table or of a key in it; the file alone if it is not found.

    Args:
        path: A TOML file.
        table: Name of the table, such as ``plugin`` or ``weights``; empty for the top of the file.
        number: Which of an array's tables, from 1; 0 for a table that is no array.
        key: A key in the table, or None for its head.
        told: A message on it, which holds the value if the table has several such keys.
    """
    lines = _lines(text_of(path))
    start, end = _range(lines, table, number)
    if start is None:
        return str(path)
    if key is not None:
        pattern = re.compile(_KEY.format(re.escape(key)))
        found = [(at, each) for at in range(start, end) for each in pattern.finditer(lines[at])]
        named = [at for at, each in found if told and _value(lines[at], each) in told]
        if found:
            return f"{path}:{(named[-1] if named else found[0][0]) + 1}"
    return f"{path}:{start + 1}" if table or key is None else str(path)


def place_in_text(path: Path, text: str) -> str:
    """Return ``file:line`` of the first line with a text; the file alone if no line has it.

    Args:
        path: A text file.
        text: What to look for.
    """
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if text in line:
            return f"{path}:{number}"
    return str(path)


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    """Return the lines of a TOML text, cut, with its texts of several lines emptied."""
    return [line[:_MOST_OF_LINE] for line in _LONG_TEXT.sub(_blank, text).splitlines()]


def _value(line: str, key: re.Match[str]) -> str:
    """Return the value after a key, as a message may show it."""
    return re.split(r"[,}#]", line[key.end() : key.end() + 100], maxsplit=1)[0].strip(" \"'")


def _blank(found: re.Match[str]) -> str:
    return '""' + "\n" * found[0].count("\n")


def _range(lines: list[str], table: str, number: int) -> tuple[int | None, int]:
    """Return the lines of a table with its own tables: the first, and the one after the last."""
    if not table:
        return 0, len(lines)
    name = rf"""["']?{re.escape(table)}["']?"""
    array = rf"^\s*\[\[\s*{name}\s*\]\]"
    head = re.compile(array if number else rf"^\s*\[\[?\s*{name}\s*\]")
    heads = [at for at, line in enumerate(lines) if head.match(line)]
    if len(heads) < max(number, 1):
        inline = re.compile(rf"^\s*{name}\s*=")
        heads = [at for at, line in enumerate(lines) if inline.match(line)]
        number = 0  # an array in one value: its rows have no heads
    if not heads:
        return None, 0
    start = heads[max(number, 1) - 1]
    own = re.compile(rf"^\s*\[\[?\s*{name}\s*\.")
    for at in range(start + 1, len(lines)):
        if re.match(r"^\s*\[\[?\s*[\w\"'.-]+\s*\]\]?\s*(#.*)?$", lines[at]) and not own.match(
            lines[at]
        ):
            return start, at
    return start, len(lines)
