# SPDX-License-Identifier: Apache-2.0
"""Rows of a lock file as frozen values, checked key by key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.texts import shown
from zoo.weights.lock_file.document import bad_lock

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["by_key", "read_row", "stated"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_LICENCE = 10_000  # a row's licence may have several lines
_TEXTS = {
    **dict.fromkeys(("name", "plugin", "converter", "version"), 500),
    "address": 5000,
    "judge": 100,
}
RowT = TypeVar("RowT", bound="DataclassInstance")
KeyT = TypeVar("KeyT")


def read_row(file: Path, section: str, number: int, row: Any, kind: type[RowT]) -> RowT:
    """Return one row of a section.

    Args:
        file: The lock file, for messages.
        section: Name of the section.
        number: Place of the row, from 1.
        row: The JSON value.
        kind: Dataclass of the row; fields that may be None may be missing.

    Raises:
        DownloadError: A key is missing, unknown, or of another form.
    """
    required = {field.name for field in fields(kind) if field.default is MISSING}
    unknown = {field.name for field in fields(kind) if "None" in str(field.type)}
    keys = set(row) if isinstance(row, dict) else set()
    where = f"row {number}" if section == "weights" else f"row {number} of {section}"
    if not required - unknown <= keys <= required | unknown:
        raise bad_lock(file, f"{where} has not the keys {', '.join(sorted(required))}")
    for key, value in row.items():
        if not _fits(key, value):
            raise bad_lock(file, f"{where}: {key} is {shown(value)}")
    return kind(**{**dict.fromkeys(required & unknown), **row})


def by_key(
    file: Path, section: str, rows: Iterable[RowT], key: Callable[[RowT], KeyT]
) -> dict[KeyT, RowT]:
    """Return rows by their key; the same row twice, as after a merge, is one.

    Args:
        file: The lock file, for messages.
        section: Name of the section.
        rows: The rows.
        key: Returns what a section has once.

    Raises:
        DownloadError: Two different rows have the same key.
    """
    found: dict[KeyT, RowT] = {}
    for row in rows:
        if found.setdefault(key(row), row) != row:
            named = key(row)
            name = named[-1] if isinstance(named, tuple) else named
            raise bad_lock(file, f"{section} has two different rows of {shown(name)}")
    return found


def stated(row: DataclassInstance) -> dict[str, Any]:
    """Return a row as a JSON value, without what is None.

    Args:
        row: The row.
    """
    return {key: value for key, value in asdict(row).items() if value is not None}


def _fits(key: str, value: Any) -> bool:
    if key.endswith("sha256"):
        return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
    if key == "licence":
        return isinstance(value, str) and 0 < len(value) < _LICENCE
    if key in _TEXTS:
        return isinstance(value, str) and 0 < len(value) < _TEXTS[key] and value.isprintable()
    return type(value) is int and value > 0
