# SPDX-License-Identifier: Apache-2.0
"""The rows of a block of COCO JSON by their ids, and what is wrong with those left out."""

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
    """One row cannot be used."""


class FollowUpError(Exception):
    """One row cannot be used, and another row's fault says why."""


class CocoRows:
    """What was made of the rows of a block.

    Args:
        what: A row is, as ``image``.
        rows: As the file has them.
        read: Makes something of a row; raises FaultError or FollowUpError.

    Attributes:
        found: By id, in the order of the file.
        faults: Name of the row, and what is wrong with it.
        has_nameless: Whether a row has no id that can be read, so that any id may be its own.
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
        """Return whether ``key`` is the id of a row that cannot be used, which is named already.

        Args:
            key: An id that another row refers to.
        """
        if type(key) is float and key.is_integer():
            key = int(key)
        return repr(key) in self._bad_ids and key not in self.found


def join_faults(faults: Sequence[tuple[str, str]], rows: str) -> Iterator[str]:
    """Yield one sentence for each fault, with the first of the rows that have it.

    Args:
        faults: Of :class:`CocoRows`.
        rows: Several rows are, as ``images``.
    """
    names: dict[str, list[str]] = {}
    for name, fault in faults:
        names.setdefault(fault, []).append(name)
    for fault, alike in names.items():
        more = f" and {len(alike) - 1} more {rows}" if len(alike) > 1 else ""
        yield f"{alike[0]}{more}: {fault}"


def read_whole(row: Mapping[str, Any], key: str, least: int | None = None) -> int:
    """Return a whole number of a row.

    Args:
        row: A row of a COCO JSON.
        key: Key of the number.
        least: Smallest allowed value; None for any.

    Raises:
        FaultError: It is missing, none, or less than ``least``.
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
    """Return a text of a row that is more than spaces.

    Args:
        row: A row of a COCO JSON.
        key: Key of the text.

    Raises:
        FaultError: It is missing, or no such text.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        message = f"{key} is {show_value(row, key)}, expected a name"
        raise FaultError(message)
    return value


def show_value(row: Mapping[str, Any], key: str) -> str:
    """Return a value as a message shows it, ``missing`` where there is none.

    Args:
        row: A row of a COCO JSON.
        key: Key of the value.
    """
    return spell_json(row[key]) if key in row else "missing"


def spell_json(value: object) -> str:
    """Return the beginning of a value, its words as JSON has them.

    Args:
        value: Any JSON value.
    """
    if value is None or isinstance(value, bool):
        return _JSON_WORDS[value]
    return f"{value!r:.{_MOST_LETTERS}}"
