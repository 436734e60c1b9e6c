# SPDX-License-Identifier: Apache-2.0
"""Listings on the terminal: aligned columns, or JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

__all__ = ["print_rows"]


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
        import json

        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    if not rows:
        click.echo(empty, err=True)
        return
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    header = [column.replace("_", " ").upper() for column in columns]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(columns))]
    lines = []
    for line in [header, *cells]:
        pairs = zip(line, widths, strict=True)
        lines.append("  ".join(text.ljust(width) for text, width in pairs).rstrip())
    click.echo("\n".join(lines))  # at once: each echo flushes, and there may be 1,200 rows


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
