# SPDX-License-Identifier: Apache-2.0
"""Tables of a data set (CSV), in every form that spreadsheets write, with all their faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from zoo.data.source.csv_lines import read_lines
from zoo.errors import DataError
from zoo.names import near_names
from zoo.texts import counted, shown

__all__ = ["Column", "Table", "TableRow", "read_table"]

Column = Callable[[str], Any] | Mapping[str, Any]
"""How a field becomes a value: ``str``, ``int``, ``float``, a table of values, or a function that
returns None or raises ValueError for a text that it does not accept."""

_MOST_LISTED = 20
_MOST_LETTERS = 20  # of a whole number of 64 bits, with its sign
_WHOLE = r"[-+]?[0-9]+"
_WANTED: dict[Any, str] = {int: "a whole number", float: "a number"}
_HINT = "correct these lines, or remove them."


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table.

    Args:
        line: Its first line in the file, from 1.
        where: The file and the line, such as ``labels.csv:17``.
        values: Column -> value; columns that were not asked for are text.
    """

    line: int
    where: str
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Return the value of a column.

        Args:
            column: Its name in the header.
        """
        return self.values[column]


class Table:
    """The rows of a table that have no fault yet, and the faults.

    Args:
        name: Name of the file, for messages.
        where: The file.
        rows: Rows without a fault.
        faults: Location and text of each fault found while reading.
        count: Number of all rows.
    """

    def __init__(
        self,
        name: str,
        where: str,
        rows: Sequence[TableRow],
        faults: list[tuple[str, str]],
        count: int,
    ) -> None:
        self.name = name
        self.where = where
        self.rows = tuple(rows)
        self._faults = faults
        self._count = count

    def __iter__(self) -> Iterator[TableRow]:
        """Yield the rows in the order of the file."""
        return iter(self.rows)

    def __len__(self) -> int:
        """Return the number of rows without a fault."""
        return len(self.rows)

    def fault(self, row: TableRow, text: str) -> None:
        """Add a fault that the caller found; the end of :func:`read_table` raises it.

        Args:
            row: A row of this table.
            text: What was found and expected, such as ``there is no image 'a'``.
        """
        self._faults.append((row.where, text))

    def check(self, hint: str = _HINT) -> None:
        """Raise one error for all faults so far, if there are any.

        Args:
            hint: One thing to do.

        Raises:
            DataError: The table has faults; each is a line that starts with file and line.
        """
        if not self._faults:
            return
        place, text = self._faults[0]
        message = f"cannot read {self.name!r}: {text}."
        if len(self._faults) > 1:
            found = counted(len(self._faults), "fault")
            lines = [f"cannot read {self.name!r}: found {found} in {counted(self._count, 'row')}:"]
            lines += [f"  {where}: {text}" for where, text in self._faults[:_MOST_LISTED]]
            if len(self._faults) > _MOST_LISTED:
                lines.append(f"  and {len(self._faults) - _MOST_LISTED:,} more")
            message = "\n".join(lines)
        raise DataError(message, path=self.where, where=place, hint=hint)


@contextmanager
def read_table(
    data: bytes,
    where: str,
    columns: Mapping[str, Column],
    *,
    unique: Sequence[str] = (),
    hint: str = _HINT,
) -> Iterator[Table]:
    r"""Yield the rows of a CSV; raise all faults at once when the block ends.

    Accepts line ends of any system, a byte order mark, blank lines, additional columns, spaces
    around quotes, line ends in quotes, and semicolons, tabs or bars instead of commas. Fields are
    stripped.

    Args:
        data: The whole file.
        where: The file, such as ``source.where("labels.csv")``.
        columns: Columns that must be there, and how to read each, see :data:`Column`. ``int``
            accepts ASCII digits with a sign up to 64 bits, ``float`` finite numbers.
        unique: Columns whose values together must differ in every row.
        hint: What to do about faults.

    Raises:
        DataError: The file is not UTF-8, has no rows, lacks a column or has it twice. At the end of
            the block: rows with too many or too few fields, fields that cannot be read, repeated
            rows, and faults that the block added.

    Example:
        >>> data = b"image,depth_m\na,1.5\nb,2\n"
        >>> with read_table(data, "ponds.csv", {"image": str, "depth_m": float}) as table:
        ...     [(row.line, row["depth_m"]) for row in table]
        [(2, 1.5), (3, 2.0)]
    """
    name = PurePosixPath(where.replace("\\", "/").replace("!", "/")).name
    header, lines = read_lines(data, where, name, tuple(columns))
    faults: list[tuple[str, str]] = []
    rows: list[TableRow] = []
    seen: dict[tuple[Any, ...], int] = {}
    for line, fields in lines:
        place = f"{where}:{line}"
        if len(fields) != len(header):
            text = f"line {line} has {len(fields)} fields, expected {len(header)}"
            faults.append((place, text))
            continue
        values: dict[str, Any] = dict(zip(header, fields, strict=True))
        before = len(faults)
        for column, kind in columns.items():
            values[column], fault = _read_field(column, values[column], kind)
            faults += [(place, fault)] if fault else []
        if len(faults) == before and unique:
            first = seen.setdefault(tuple(values[column] for column in unique), line)
            if first != line:
                names = " and ".join(unique)
                faults.append((place, f"{names} is the same as in line {first}"))
        if len(faults) == before:
            rows.append(TableRow(line, place, values))
    table = Table(name, where, rows, faults, len(lines))
    yield table
    table.check(hint)


def _read_field(column: str, text: str, kind: Column) -> tuple[Any, str | None]:
    """Return the value of a field, and why it cannot be read, or None."""
    if kind is str:
        return text, None
    if isinstance(kind, Mapping):
        if text in kind:
            return kind[text], None
        near = near_names(text, map(str, kind)) or [*map(str, kind)][:5]
        return None, f"{column} is {shown(text)}, expected one such as {', '.join(near)}"
    read = {int: _read_whole, float: _read_number}.get(kind, kind)  # type: ignore[call-overload]
    reason = f"expected {_WANTED[kind]}" if kind in _WANTED else "which cannot be read"
    try:
        value = read(text)
    except DataError as error:
        value, reason = None, error.message.rstrip(".")
    except (ValueError, LookupError, ArithmeticError) as error:
        value, reason = None, str(error) or reason
    return value, f"{column} is {shown(text)}, {reason}" if value is None else None


def _read_whole(text: str) -> int | None:
    import re

    if not re.fullmatch(_WHOLE, text) or len(text) > _MOST_LETTERS:
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


def _read_number(text: str) -> float | None:
    import math
    import re

    if not re.fullmatch(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
