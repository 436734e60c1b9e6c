# SPDX-License-Identifier: Apache-2.0
"""Read ``annotations.csv``: one tank per row, with a box ``"(x0, y0, x1, y1)"``."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zoo.errors import DataError

__all__ = ["COLUMNS", "Row", "parse_bounds", "read_rows"]

COLUMNS = ("image_id", "class", "bounds")
_DELIMITERS = (",", ";", "\t", "|")
_SPACE_BEHIND = re.compile(r'"[ \t]+(?=[,;\t|\r\n]|$)')
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
    """Return the rows of ``annotations.csv``.

    Accepts line ends of any system, a byte order mark, blank lines, additional columns, spaces
    around quotes, line ends in quotes, and semicolons, tabs or bars instead of commas.

    Args:
        data: The whole file.
        where: Its name, for messages.

    Raises:
        DataError: The file is not UTF-8, lacks a column or has it twice, has no rows, or a row has
            more or fewer fields than the header; the message names the line.
    """
    text = _decode(data, where)
    delimiter = _find_delimiter(text)
    try:
        lines = list(_read_lines(text, delimiter))
    except csv.Error as error:
        # Strict CSV allows no spaces after a quote; accept them if they are the only error.
        try:
            lines = list(_read_lines(_SPACE_BEHIND.sub('"', text), delimiter))
        except csv.Error:
            hint = "fix that line, or download the file again."
            raise _refuse(where, str(error), hint) from error
    if not lines:
        raise _refuse(where, "it holds no rows", "give the file that lists the tanks.")
    header = lines[0][1]
    places = _find_columns(header, where)
    rows = []
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            fault = f"line {line} has {len(fields)} fields, expected {len(header)}"
            raise _refuse(where, fault, 'fix it; bounds are quoted: "(1, 2, 3, 4)".')
        image_id, name, bounds = (fields[places[column]] for column in COLUMNS)
        rows.append(Row(line, image_id, name, bounds))
    if not rows:
        raise _refuse(where, "it holds no rows", "give the file that lists the tanks.")
    return rows


def _decode(data: bytes, where: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _refuse(where, "found UTF-16, expected UTF-8", "save the file as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(where, f"{error}", "save the file as UTF-8.") from error


def _find_delimiter(text: str) -> str:
    """Return the delimiter of the header; a comma if it has none."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    found = (mark for mark in _DELIMITERS if set(COLUMNS) <= set(_bare(header.split(mark))))
    return next(found, ",")


def _bare(names: Iterable[str]) -> list[str]:
    return [name.strip().strip('"').strip() for name in names]


def _read_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with its first line number."""
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, delimiter=delimiter, skipinitialspace=True
    )
    line = 1
    try:
        for fields in reader:
            found = [field.strip() for field in fields]
            if any(found):
                yield line, found
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"line {line}: {error}"
        raise csv.Error(message) from error


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
        raise _refuse(where, fault, "keep the right column, and rename the others.")
    return {column: header.index(column) for column in COLUMNS}


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
