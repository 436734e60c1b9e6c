# SPDX-License-Identifier: Apache-2.0
"""``annotations.csv``: one tank a row, its box written as ``"(x0, y0, x1, y1)"``."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass

from zoo.errors import DataError

__all__ = ["COLUMNS", "Row", "parse_bounds", "read_rows"]

COLUMNS = ("image_id", "class", "bounds")
# No two parts in a row can take the same letters, else a long wrong field would take minutes.
_NUMBER = r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*"
_NUMBERS = r",\s*".join([_NUMBER] * 4)
_BOUNDS = re.compile(rf"\s*(?:[(\[]\s*)?{_NUMBERS}(?:[)\]]\s*)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file, as it is written.

    Args:
        line: Its line in the file, where the header is line 1.
        image_id: Stem of the image.
        name: Of the class.
        bounds: Text.
    """

    line: int
    image_id: str
    name: str
    bounds: str


def read_rows(data: bytes, where: str) -> list[Row]:
    """Return the rows of ``annotations.csv``.

    Line ends of any system, a byte order mark, blank lines and further columns do no harm.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        DataError: It is no UTF-8, lacks a column or has it twice, holds no row, or a row has more
            or fewer fields than the header; its line is named.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(where, f"{error}", "save the file as UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    places: dict[str, int] = {}
    header: list[str] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not header:
                header = [field.strip() for field in fields]
                places = _find_columns(header, where)
                continue
            if len(fields) != len(header):
                fault = f"line {reader.line_num} has {len(fields)} fields, expected {len(header)}"
                raise _refuse(where, fault, 'mend it; bounds are quoted: "(1, 2, 3, 4)".')
            image_id, name, bounds = (fields[places[column]].strip() for column in COLUMNS)
            rows.append(Row(reader.line_num, image_id, name, bounds))
    except csv.Error as error:
        fault = f"line {reader.line_num}: {error}"
        raise _refuse(where, fault, "mend that line, or fetch the file again.") from error
    if not rows:
        raise _refuse(where, "it holds no rows", "give the file that lists the tanks.")
    return rows


def _refuse(where: str, fault: str, hint: str) -> DataError:
    return DataError(f"cannot read 'annotations.csv': {fault}.", path=where, hint=hint)


def _find_columns(header: list[str], where: str) -> dict[str, int]:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        found = ", ".join(repr(name) for name in header[:8])
        fault = f"found the columns {found}, expected {missing[0]!r} among them"
        raise _refuse(where, fault, f"its first line must name {', '.join(COLUMNS)}.")
    twice = [column for column in COLUMNS if header.count(column) > 1]
    if twice:
        fault = f"found the column {twice[0]!r} {header.count(twice[0])} times, expected it once"
        raise _refuse(where, fault, "keep the column that counts, and rename the others.")
    return {column: header.index(column) for column in COLUMNS}


def parse_bounds(text: str) -> tuple[float, float, float, float] | None:
    """Return the four numbers of ``"(x0, y0, x1, y1)"`` as they stand there, or None.

    Example:
        >>> parse_bounds("(12, 7, 30, 25)")
        (12.0, 7.0, 30.0, 25.0)
    """
    match = _BOUNDS.fullmatch(text)
    if match is None:
        return None
    x0, y0, x1, y1 = (float(number) for number in match.groups())
    return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) else None
