# SPDX-License-Identifier: Apache-2.0
"""Listings: columns that fit the terminal, whole lines for a pipe, or JSON for programs."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from zoo.cli.output.printing import say, say_json
from zoo.texts import printable

__all__ = ["fitted_widths", "print_rows", "wide_option"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MOST_LISTED = 50
_MOST_CHARACTERS = 500  # per cell: one long text would make every line as long
_SHORT = 24  # every column shows so long a text whole
_MOST_OF = {"version": _SHORT}  # per column in which a long text is not useful
_GAP = 2
_LEAST = 12  # least width of a column on a narrow terminal, or it is left out
_CUT = "\N{HORIZONTAL ELLIPSIS}"


def wide_option(function: _Function) -> _Function:
    """Add ``--wide`` to a command that prints a table.

    Args:
        function: The function of a click command.
    """
    help_ = "Print whole lines, however narrow the terminal is."
    return click.option("--wide", is_flag=True, help=help_)(function)


def print_rows(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    *,
    as_json: bool,
    wide: bool = False,
    empty: str = "nothing to list",
) -> bool:
    """Print one row per line, or all rows with all their keys as JSON.

    On a terminal a row takes one line: long cells are cut, and last columns that do not fit are
    left out, with a note on stderr. A pipe or a file gets whole lines.

    Args:
        rows: The rows to print.
        columns: The keys to print as columns, most important first; JSON has every key.
        as_json: Whether to print JSON.
        wide: Whether a terminal gets whole lines too.
        empty: Message on stderr if there are no rows.

    Returns:
        Whether something was cut or left out.
    """
    if as_json:
        say_json(list(rows))
        return False
    if not rows:
        say(empty, err=True)
        return False
    titles = [column.replace("_", " ").upper() for column in columns]
    cells = [
        [title, *(_text(row.get(column), column) for row in rows)]
        for title, column in zip(titles, columns, strict=True)
    ]
    widths = [max(map(_width, column)) for column in cells]
    limit = None if wide or not sys.stdout.isatty() else shutil.get_terminal_size().columns
    kept = widths if limit is None else fitted_widths(widths, limit)
    padded = [
        _column(column, width, is_name=at == 0)
        for at, (column, width) in enumerate(zip(cells, kept, strict=False))
    ]
    gap = " " * _GAP
    say(*(gap.join(parts).rstrip() for parts in zip(*padded, strict=True)))  # all at once
    if kept == widths:
        return False
    left_out = [title.lower() for title in titles[len(kept) :]]
    what = f"left out: {', '.join(left_out)}; " if left_out else ""
    say(f"({what}--wide prints whole lines)", err=True)
    return True


def fitted_widths(widths: Sequence[int], limit: int) -> list[int]:
    """Return the widths of the first columns that fit side by side, with the widest ones cut.

    Args:
        widths: Full width of each column, in terminal characters.
        limit: Width of the line, in terminal characters.

    Example:
        >>> fitted_widths([10, 100, 6], 40)
        [10, 20, 6]
    """
    # Names are for typing: they are cut last, and never to less than half a line.
    first = min(widths[0], max(limit - _GAP - _LEAST, limit // 2)) if len(widths) > 1 else limit
    kept = [min(first, widths[0])]
    room = limit - kept[0]
    for width in widths[1:]:
        room -= _GAP + min(width, _LEAST)
        if room < 0:
            break
        kept.append(min(width, _LEAST))
    room = limit - sum(kept) - _GAP * (len(kept) - 1)
    while room > 0:  # the rest goes to the narrowest of the cut ones
        cut = [at for at, width in enumerate(kept) if width < widths[at]]
        if not cut:
            break
        kept[min(cut, key=lambda at: kept[at])] += 1
        room -= 1
    return kept


def _column(cells: Sequence[str], width: int, *, is_name: bool) -> list[str]:
    """Return the cells of a column, each as wide as it: there may be thousands of them."""
    cells = [
        cell if len(cell) <= width and cell.isascii() else _shortened(cell, width, is_name=is_name)
        for cell in cells
    ]
    return [cell.ljust(width) if cell.isascii() else _padded(cell, width) for cell in cells]


def _shortened(text: str, width: int, *, is_name: bool) -> str:
    """Return a text of at most ``width``; both ends of a name are kept."""
    if _width(text) <= width:
        return text
    tail = text[len(text) - (width - 1) // 3 :] if is_name else ""
    room = width - _width(tail) - 1
    kept = ""
    for character in text:
        if _width(kept + character) > room:
            break
        kept += character
    return f"{kept}{_CUT}{tail}"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Return the number of terminal columns of a text."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def _text(value: object, column: str) -> str:
    if type(value) is str and value and len(value) <= _SHORT and value.isprintable():
        return value
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = _joined(value) if isinstance(value, (list, tuple)) else str(value)
    most = _MOST_OF.get(column, _MOST_CHARACTERS)
    if len(text) > most:
        text = f"{text[: most - 3]}..."
    return printable(text)


def _joined(values: Sequence[object]) -> str:
    """Return the first of many values, and how many there are."""
    more = f", ... ({len(values):,} in total)" if len(values) > _MOST_LISTED else ""
    return ", ".join(map(str, values[:_MOST_LISTED])) + more
