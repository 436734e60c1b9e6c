# SPDX-License-Identifier: Apache-2.0
"""Read ``annotations.csv``: one tank per row, with a box ``"(x0, y0, x1, y1)"``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from zoo.data import read_table

__all__ = ["COLUMNS", "Row", "parse_bounds", "read_rows"]

COLUMNS = ("image_id", "class", "bounds")
# Adjacent parts cannot match the same characters, or a long invalid field would take minutes.
_NUMBER = r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*"
_NUMBERS = r",\s*".join([_NUMBER] * 4)
_BOUNDS = re.compile(rf"\s*(?:[(\[]\s*)?{_NUMBERS}(?:[)\]]\s*)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file as written.

    Args:
        line: Line number, where the header is line 1.
        image_id: Stem of the image.
        name: Name of the class.
        bounds: Text of the box.
    """

    line: int
    image_id: str
    name: str
    bounds: str


def read_rows(data: bytes, where: str) -> list[Row]:
    """Return the rows of ``annotations.csv``, see :func:`zoo.data.read_table`.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        DataError: The file is not UTF-8, lacks a column or has it twice, has no rows, or rows have
            more or fewer fields than the header; the message names each line.
    """
    hint = 'fix them; bounds are quoted: "(1, 2, 3, 4)".'
    with read_table(data, where, dict.fromkeys(COLUMNS, str), hint=hint) as table:
        return [Row(row.line, *(row[column] for column in COLUMNS)) for row in table]


def parse_bounds(text: str) -> tuple[float, float, float, float] | None:
    """Return the four numbers of ``"(x0, y0, x1, y1)"`` as written, or None.

    Args:
        text: Text of the box.

    Example:
        >>> parse_bounds("(12, 7, 30, 25)")
        (12.0, 7.0, 30.0, 25.0)
    """
    match = _BOUNDS.fullmatch(text)
    if match is None:
        return None
    x0, y0, x1, y1 = (float(number) for number in match.groups())
    return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) else None
