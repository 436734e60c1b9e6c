# SPDX-License-Identifier: Apache-2.0
"""Listings on the terminal: aligned columns, or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoo.cli.output.printing import say, say_json
from zoo.texts import printable

__all__ = ["print_rows"]

_MOST_LISTED = 50
_MOST_CHARACTERS = 500  # of a cell: one long text would make every line as long


def print_rows(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str = "nothing to list",
) -> None:
    """Print one row a line, or all rows with all their keys as JSON.

    Args:
        rows: What to print.
        columns: The keys that become columns; JSON has every key.
        as_json: Whether to print JSON.
        empty: What to say, on stderr, when there are no rows.
    """
    if as_json:
        say_json(list(rows))
        return
    if not rows:
        say(empty, err=True)
        return
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    header = [column.replace("_", " ").upper() for column in columns]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(columns))]
    lines = []
    for line in [header, *cells]:
        pairs = zip(line, widths, strict=True)
        lines.append("  ".join(text.ljust(width) for text, width in pairs).rstrip())
    say(*lines)  # at once: each echo flushes, and there may be 1,200 rows


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = _joined(value) if isinstance(value, (list, tuple)) else str(value)
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS - 3]}..."
    return printable(text)


def _joined(values: Sequence[object]) -> str:
    """Return the first of many values, and how many there are."""
    more = f", ... ({len(values):,} in all)" if len(values) > _MOST_LISTED else ""
    return ", ".join(map(str, values[:_MOST_LISTED])) + more
