# SPDX-License-Identifier: Apache-2.0
"""Format tables as text for the log of a run."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["format_table"]


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return rows in aligned columns, with a line below the head.

    Args:
        head: Title of each column.
        rows: Cells of each row, one per column.
        left: Number of left-aligned columns, from the first; the others are right-aligned.

    Example:
        >>> print(format_table(["module", "n"], [["neck", "12"]]))
        module   n
        ----------
        neck    12
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])
