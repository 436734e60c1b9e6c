# SPDX-License-Identifier: Apache-2.0
"""The lines of a CSV, in every form that spreadsheets write."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from zoo.errors import DataError

__all__ = ["read_lines"]

_DELIMITERS = (",", ";", "\t", "|")
_SPACE_BEHIND = re.compile(r'"[ \t]+(?=[,;\t|\r\n]|$)')
_MOST_NAMED = 8

Line = tuple[int, list[str]]


def read_lines(
    data: bytes, where: str, name: str, columns: Sequence[str]
) -> tuple[list[str], list[Line]]:
    """Return the header, and each row that is not blank with its first line number.

    Args:
        data: The whole file.
        where: The file, for errors.
        name: Its name, for messages.
        columns: Columns that must be there once; they also tell the delimiter.

    Raises:
        DataError: The file is not UTF-8, breaks the rules of quotes, has no rows, lacks a column
            or has it twice.
    """
    text = _decode(data, where, name)
    delimiter = _find_delimiter(text, columns)
    try:
        lines = list(_split(text, delimiter))
    except csv.Error as error:
        # Strict CSV allows no spaces after a quote; accept them if they are the only error.
        try:
            lines = list(_split(_SPACE_BEHIND.sub('"', text), delimiter))
        except csv.Error:
            hint = "fix that line, or download the file again."
            raise _refuse(where, name, str(error), hint) from error
    if lines:
        _check_columns(lines[0][1], where, name, columns)
    if len(lines) < 2:
        raise _refuse(where, name, "it holds no rows", "give the file with its rows.")
    return lines[0][1], lines[1:]


def _decode(data: bytes, where: str, name: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _refuse(where, name, "found UTF-16, expected UTF-8", "save the file as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(where, name, f"{error}", "save the file as UTF-8.") from error


def _find_delimiter(text: str, columns: Sequence[str]) -> str:
    """Return the delimiter of the header; a comma if it has none."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    found = (mark for mark in _DELIMITERS if set(columns) <= set(_bare(header.split(mark))))
    return next(found, ",")


def _bare(names: Iterable[str]) -> list[str]:
    return [name.strip().strip('"').strip() for name in names]


def _split(text: str, delimiter: str) -> Iterator[Line]:
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


def _check_columns(header: list[str], where: str, name: str, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        found = ", ".join(repr(column) for column in header[:_MOST_NAMED])
        fault = f"found the columns {found}, expected {missing[0]!r} among them"
        raise _refuse(where, name, fault, f"its first line must name {', '.join(columns)}.")
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        fault = f"found the column {twice[0]!r} {header.count(twice[0])} times, expected it once"
        raise _refuse(where, name, fault, "keep the right column, and rename the others.")


def _refuse(where: str, name: str, fault: str, hint: str) -> DataError:
    return DataError(f"cannot read {name!r}: {fault}.", path=where, hint=hint)
