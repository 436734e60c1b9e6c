# SPDX-License-Identifier: Apache-2.0
"""Indexes of legacy upstream checkpoints, read without a YAML parser and searched by name.

An index is one JSON file that a ``[[legacy_index]]`` row of a manifest names::

    {"format": 1, "sources": ["mmdet 3.3.0"], "licence": "...", "data_licence": "...",
     "units": {"mIoU": "percent", ...}, "columns": ["name", "task", ...], "rows": [[...], ...]}

``units`` says which metrics are percent or fractions; the others are plain numbers.

``docs/adr/0008-legacy-checkpoints-are-an-index.md`` explains the reasons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.catalog import Catalog, Found, PluginRecord
from zoo.documents import Limits, read_json, reason_of
from zoo.errors import ConflictError, ManifestError, PluginError, UnknownNameError
from zoo.manifest.legacy_rows import LegacyMetric, LegacyRow
from zoo.manifest.rows import UPSTREAM_TASKS
from zoo.texts import shown

__all__ = ["find_legacy", "legacy_rows", "read_index", "with_unread"]

_FORMAT = 1
_LIMITS = Limits(size_bytes=2**25, values=2_000_000, depth=8)
_MOST_CHARACTERS, _MOST_PARTS = 2_000, 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_CONFIG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+:/-]*")
_URL = re.compile(r"https://[^\s/]+/\S+")
_DIGITS = re.compile(r"[0-9a-f]{8}")


def legacy_rows(catalog: Catalog) -> tuple[list[Found], list[PluginError]]:
    """Return the rows of every legacy index, and the errors of unreadable ones.

    Args:
        catalog: The plugins to search.
    """
    rows: list[Found] = []
    errors: list[PluginError] = []
    for record, index in catalog.legacy_indexes():
        try:
            rows += [Found(record, row) for row in read_index(record, index.file)]
        except PluginError as error:
            errors.append(error)
    return rows, errors


def find_legacy(catalog: Catalog, name: str) -> Found | None:
    """Return the legacy row of a ``Name`` or ``plugin.Name``, or None.

    Args:
        catalog: The plugins to search.
        name: ``Name`` or ``plugin.Name``.

    Raises:
        ConflictError: Two plugins have that name in an index, with different files.
    """
    rows = legacy_rows(catalog)[0]
    plugin, dot, rest = name.partition(".")
    found = [each for each in rows if each.row.name == name] or [
        each for each in rows if dot and (each.record.name, each.row.name) == (plugin, rest)
    ]
    prefixes = {each.row.sha256_prefix for each in found if isinstance(each.row, LegacyRow)}
    if len(prefixes) > 1:
        first, second = (f"plugin {each.record.name}" for each in found[:2])
        message = f"cannot choose the weights {name!r}: {first} and {second} both list them."
        hint = f"write {' or '.join(f'{each.record.name}.{each.row.name}' for each in found)}."
        raise ConflictError(message, first=first, second=second, hint=hint)
    return found[0] if found else None


def with_unread(error: UnknownNameError, unread: Sequence[PluginError]) -> UnknownNameError:
    """Return the error of an unknown name, extended by unreadable indexes that may have it.

    Args:
        error: The error of the unknown name.
        unread: Errors from `legacy_rows`.
    """
    if not unread:
        return error
    reasons = "; ".join(each.message.rstrip(".") for each in unread)
    message = f"{error.message.rstrip('.')}, as far as can be read: {reasons}."
    hint = error.hint if error.near else unread[0].hint
    where = unread[0].where
    return UnknownNameError(
        message, kind=error.kind, name=error.name, near=error.near, where=where, hint=hint
    )


_READ: dict[tuple[Path, int, int], tuple[LegacyRow, ...]] = {}


def read_index(record: PluginRecord, file: str) -> tuple[LegacyRow, ...]:
    """Return the rows of one index; each process reads it once.

    Args:
        record: The plugin whose package contains it.
        file: Path inside the package.

    Raises:
        ManifestError: It cannot be read, has another format, or a row breaks a rule.
    """
    path = record.file(file)
    try:
        status = path.stat()
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in _READ:
            _READ[key] = _parse(read_json(path, _LIMITS))
        return _READ[key]
    except (OSError, ValueError) as error:
        message = f"cannot use the legacy index of plugin {record.name!r}: {reason_of(error)}."
        hint = "reinstall the plugin, or report it to its author."
        if isinstance(error, FileNotFoundError):  # missing from the wheel as well
            hint = "tell its author: the package lacks that file."
        raise ManifestError(message, plugin=record.name, where=path, hint=hint) from error


def _parse(document: Any) -> tuple[LegacyRow, ...]:
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if type(found) is not int or found != _FORMAT:
        message = f"its format is {shown(found)}, expected {_FORMAT}"
        raise ValueError(message)
    common = {key: document.get(key) for key in ("licence", "data_licence")}
    for key, value in common.items():
        if not isinstance(value, str) or not value.strip():
            message = f"{key} is {shown(value)}, expected some text"
            raise ValueError(message)
    columns, rows = document.get("columns"), document.get("rows")
    if not isinstance(rows, list) or columns != list(_COLUMNS):
        message = f"its columns are {shown(columns)}, expected {', '.join(_COLUMNS)}"
        raise ValueError(message)
    units = _units(document.get("units", {}))
    _check_cells(rows)
    if len({row[0] for row in rows}) < len(rows):
        message = "it has a duplicate name"
        raise ValueError(message)
    return tuple(_row(row, common, units) for row in rows)


def _units(value: Any) -> dict[str, str]:
    fits = isinstance(value, dict) and all(
        _is_text(name) and unit in ("percent", "fraction") for name, unit in value.items()
    )
    if not fits:
        message = f"units is {shown(value)}, expected metrics, each with 'percent' or 'fraction'"
        raise ValueError(message)
    return dict(value)


def _check_cells(rows: list[Any]) -> None:
    """Check column by column, so that repeated cells are checked only once."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(_COLUMNS):
            message = f"row {number} is no list of {len(_COLUMNS)}"
            raise ValueError(message)
    for place, (column, (fits, expected)) in enumerate(_COLUMNS.items()):
        good: set[Any] = set()
        for number, row in enumerate(rows, 1):
            value = row[place]
            plain = type(value) is str or value is None
            if plain and value in good:
                continue
            if not fits(value):
                message = f"row {number}: {column} is {shown(value)}, expected {expected}"
                raise ValueError(message)
            if plain:
                good.add(value)


def _row(cells: list[Any], common: Mapping[str, Any], units: Mapping[str, str]) -> LegacyRow:
    values = [tuple(value) if isinstance(value, list) else value for value in cells]
    fields: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
    fields["metrics"] = tuple(
        LegacyMetric(name, value, dataset, units.get(name, ""))
        for name, value, dataset in fields["metrics"]
    )
    return LegacyRow(**fields, **common)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= _MOST_CHARACTERS


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_PARTS and all(map(_is_text, value))


def _are_metrics(value: Any) -> bool:
    return isinstance(value, list) and all(
        len(value) <= _MOST_PARTS
        and isinstance(one, list)
        and len(one) == 3
        and _is_text(one[0])
        and _is_number(one[1])
        and _is_text(one[2])
        for one in value
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: _is_text(value) and pattern.fullmatch(value) is not None


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


_COLUMNS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_matches(_NAME), "letters, digits, '_', '-', '+' and '.'"),
    "task": (
        lambda value: _is_text(value) and value in UPSTREAM_TASKS,
        f"one of {', '.join(UPSTREAM_TASKS)}",
    ),
    "tasks": (
        lambda value: _are_texts(value) and set() < set(value) <= set(UPSTREAM_TASKS),
        f"some of {', '.join(UPSTREAM_TASKS)}",
    ),
    "config": (_or_none(_matches(_CONFIG)), "a config's name, or null"),
    "architecture": (_are_texts, "a list of texts"),
    "datasets": (_are_texts, "a list of texts"),
    "metrics": (_are_metrics, "a list of [name, number, data set]"),
    "memory_gb": (_or_none(_is_number), "a number, or null"),
    "url": (_matches(_URL), "an https address"),
    "sha256_prefix": (_or_none(_matches(_DIGITS)), "8 hex digits, or null"),
    "note": (_or_none(_is_text), "a text, or null"),
}
