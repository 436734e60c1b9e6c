# SPDX-License-Identifier: Apache-2.0
"""The rows of a block of COCO JSON by id, and the faults of skipped rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "CocoRows",
    "FaultError",
    "FollowUpError",
    "join_faults",
    "read_text",
    "read_whole",
    "show_value",
    "spell_json",
]

_MOST_LETTERS = 40
_JSON_WORDS = {None: "null", True: "true", False: "false"}


class FaultError(Exception):
    """A row cannot be used."""


class FollowUpError(Exception):
    """A row cannot be used because of a fault in another row."""


class CocoRows:
    """The parsed rows of a block.

    Args:
        what: Singular name of a row, such as ``image``.
        rows: Rows from the file.
        read: Parses a row; raises FaultError or FollowUpError.

    Attributes:
        found: Id -> parsed row, in the order of the file.
        faults: Name and fault of each faulty row.
        has_nameless: Whether a row has no readable id, so that it may have any id.
    """

    def __init__(
        self, what: str, rows: Sequence[Any], read: Callable[[Mapping[str, Any]], Any]
    ) -> None:
        self.found: dict[int, Any] = {}
        self.faults: list[tuple[str, str]] = []
        self.has_nameless = False
        self._bad_ids: set[str] = set()
        for number, row in enumerate(rows):
            self._add(what, number, row, read)

    def _add(
        self, what: str, number: int, row: Any, read: Callable[[Mapping[str, Any]], Any]
    ) -> None:
        name = f"{what} number {number}"
        if not isinstance(row, dict):
            self.faults.append((name, f"found {spell_json(row)}, expected an object"))
            self.has_nameless = True
            return
        key = row.get("id")
        try:
            key = self._read_id(row)
            name = f"{what} {key}"
            if key in self.found:
                message = "found this id twice"
                raise FaultError(message)
            self.found[key] = read(row)
        except FollowUpError:
            self._bad_ids.add(repr(key))
        except FaultError as fault:
            self._bad_ids.add(repr(key))
            self.faults.append((name, str(fault)))

    def _read_id(self, row: Mapping[str, Any]) -> int:
        try:
            return read_whole(row, "id")
        except FaultError:
            self.has_nameless = True
            raise

    def lacks(self, key: object) -> bool:
        """Return whether ``key`` is the id of a faulty row, which is already reported.

        Args:
            key: An id that another row refers to.
        """
        if type(key) is float and key.is_integer():
            key = int(key)
        return repr(key) in self._bad_ids and key not in self.found


def join_faults(faults: Sequence[tuple[str, str]], rows: str) -> Iterator[str]:
    """Yield one sentence per kind of fault, with its first rows.

    Args:
        faults: Faults of a :class:`CocoRows`.
        rows: Plural name of the rows, such as ``images``.
    """
    names: dict[str, list[str]] = {}
    for name, fault in faults:
        names.setdefault(fault, []).append(name)
    for fault, alike in names.items():
        more = f" and {len(alike) - 1} more {rows}" if len(alike) > 1 else ""
        yield f"{alike[0]}{more}: {fault}"


def read_whole(row: Mapping[str, Any], key: str, least: int | None = None) -> int:
    """Return an integer of a row.

    Args:
        row: A row of a COCO JSON.
        key: Key of the number.
        least: Smallest allowed value; None for any.

    Raises:
        FaultError: It is missing, not an integer, or less than ``least``.
    """
    value = row.get(key)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or (least is not None and value < least):
        wanted = "a whole number" if least is None else f"a whole number of {least} or more"
        message = f"{key} is {show_value(row, key)}, expected {wanted}"
        raise FaultError(message)
    return value


def read_text(row: Mapping[str, Any], key: str) -> str:
    """Return a text of a row that is not blank.

    Args:
        row: A row of a COCO JSON.
        key: Key of the text.

    Raises:
        FaultError: It is missing or not such a text.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        message = f"{key} is {show_value(row, key)}, expected a name"
        raise FaultError(message)
    return value


def show_value(row: Mapping[str, Any], key: str) -> str:
    """Return a value for a message, or ``missing``.

    Args:
        row: A row of a COCO JSON.
        key: Key of the value.
    """
    return spell_json(row[key]) if key in row else "missing"


def spell_json(value: object) -> str:
    """Return the start of a value in JSON notation.

    Args:
        value: Any JSON value.
    """
    if value is None or isinstance(value, bool):
        return _JSON_WORDS[value]
    return f"{value!r:.{_MOST_LETTERS}}"
