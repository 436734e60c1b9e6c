# SPDX-License-Identifier: Apache-2.0
"""A manifest as JSON, and back: the same values of the same types.

A row is ``{"ConfigRow": [value, ...]}``, in the order of its fields; a table of forms, directions
or units is ``{"": [[name, ...], [value, ...]]}``; a list is a tuple. JSON's reader builds the rows
while it reads, which takes a tenth of the time that reading and checking TOML takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.manifest.parameters import Form
from zoo.manifest.rows import (
    BaseRow,
    CheckRow,
    CommandRow,
    ConfigRow,
    Contribution,
    ConverterRow,
    DatasetRow,
    Digest,
    ExchangeRow,
    ExporterRow,
    InitializerRow,
    LegacyIndexRow,
    LivingRow,
    Manifest,
    MetricRow,
    MetricValue,
    Option,
    PlannerRow,
    ShelfFile,
    WeightsRow,
)

__all__ = ["decoded", "encoded"]

_CLASSES = (
    *(BaseRow, CheckRow, CommandRow, ConfigRow, Contribution, ConverterRow, DatasetRow, Digest),
    *(ExchangeRow, ExporterRow, Form, InitializerRow, LegacyIndexRow, LivingRow, MetricRow),
    *(MetricValue, Option, PlannerRow, ShelfFile, WeightsRow),
)
_PLACE = "path"  # of a manifest: where it lies is no part of what it says
_FIELDS: dict[type, list[str]] = {
    each: [field.name for field in fields(each) if field.name != _PLACE]
    for each in (*_CLASSES, Manifest)
}
# Frozen rows are filled slot by slot: their constructors take three times as long, for 20 fields.
_SETTERS: dict[str, tuple[type, list[Callable[[object, Any], None]]]] = {
    each.__name__: (each, [getattr(each, name).__set__ for name in names])
    for each, names in _FIELDS.items()
}
_SET_PATH: Callable[[Manifest, Path], None] = vars(Manifest)[_PLACE].__set__
_PLAIN = (str, int, float, bool, type(None))
_TABLE = ""


def encoded(manifest: Manifest) -> bytes:
    """Return a manifest as JSON, without its path.

    Args:
        manifest: A manifest that broke no rule.

    Raises:
        TypeError: It holds a value that would not come back as it is.
    """
    text = json.dumps(_values(manifest), ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _values(value: Any) -> Any:
    """Return a value of a row as JSON."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        held = [_values(each) for each in value]
        if not any(type(each) is list for each in held):
            return held
    elif kind in _FIELDS:
        return {kind.__name__: [_values(getattr(value, name)) for name in _FIELDS[kind]]}
    elif isinstance(value, Mapping):
        return {_TABLE: [list(value), [_values(each) for each in value.values()]]}
    message = f"a manifest holds {value!r:.80}"
    raise TypeError(message)


def decoded(data: bytes, path: Path) -> Manifest:
    """Return the manifest of which `encoded` wrote the JSON.

    Args:
        data: The JSON, which nobody has changed.
        path: Where the manifest lies now.

    Raises:
        ValueError: It is not what this version of zoo writes.
    """

    def built(table: dict[str, list[Any]]) -> Any:
        ((name, values),) = table.items()
        if name == _TABLE:
            return MappingProxyType(dict(zip(*values, strict=True)))
        kind, setters = _SETTERS[name]
        row: object = object.__new__(kind)
        for fill, value in zip(setters, values, strict=True):
            fill(row, tuple(value) if type(value) is list else value)
        return row

    try:
        manifest = json.loads(data, object_hook=built)
    except (TypeError, KeyError, AttributeError) as error:
        message = f"no reading of this zoo ({error!r:.80})"
        raise ValueError(message) from error
    if not isinstance(manifest, Manifest):
        message = "no reading of a manifest"
        raise ValueError(message)
    _SET_PATH(manifest, path)
    return manifest
