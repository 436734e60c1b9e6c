# SPDX-License-Identifier: Apache-2.0
"""Rows of a source on disk: checked once, then read without checking, as lists of values.

A row's values stand in the order of its fields, which the file states. After an update of zoo that
changes the fields, the rows are read from the signed index again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import SourceError
from zoo.manifest.rows import AnyWeightsRow, Digest, LivingRow, MetricValue, WeightsRow
from zoo.weights.sources.book import Source, index_path, rows_path, sources_folder, write_bytes
from zoo.weights.sources.index import read_index
from zoo.weights.sources.row_addresses import AddressRule

__all__ = ["named_in_scope", "read_rows", "write_rows"]

_CLASSES: tuple[type[WeightsRow] | type[LivingRow], ...] = (WeightsRow, LivingRow)
_MOST_BYTES = 2**28
_LISTS = ("urls", "classes", "replaces", "aliases")


def _layout() -> dict[str, list[str]]:
    return {
        each.__name__: [field.name for field in fields(each)] for each in (*_CLASSES, MetricValue)
    }


def named_in_scope(rows: Sequence[AnyWeightsRow], scope: str) -> tuple[AnyWeightsRow, ...]:
    """Return rows whose names, aliases and successors begin with the scope.

    Args:
        rows: Rows of an index.
        scope: Name of the source on this machine.
    """
    own = {row.name for row in rows}
    return tuple(
        replace(
            row,
            name=f"{scope}/{row.name}",
            aliases=tuple(f"{scope}/{alias}" for alias in row.aliases),
            successor=f"{scope}/{row.successor}" if row.successor in own else row.successor,
        )
        for row in rows
    )


def write_rows(path: Path, rows: Sequence[AnyWeightsRow]) -> str:
    """Write rows, and return the digest of the file.

    Args:
        path: File in the state folder.
        rows: Rows as `named_in_scope` returns them.

    Raises:
        OSError: It cannot be written.
    """
    document = {"fields": _layout(), "rows": [_values(row) for row in rows]}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()


def _values(row: AnyWeightsRow) -> list[Any]:
    kind = _CLASSES.index(type(row))
    values: list[Any] = [kind]
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name == "metrics":
            value = [[getattr(one, each.name) for each in fields(one)] for one in value]
        elif isinstance(value, Digest):
            value = [value.kind, value.value]
        values.append(value)
    return values


def read_rows(source: Source) -> tuple[AnyWeightsRow, ...]:
    """Return the rows of a source, with its scope in their names.

    Args:
        source: A source of the book.

    Raises:
        SourceError: Its files are missing or damaged.
        FileNotFoundError: Another process has replaced them since the book was read.
    """
    folder = sources_folder()
    if folder is None:
        raise FileNotFoundError(source.name)
    data = _read(source, rows_path(source, folder), source.rows_digest)
    document = json.loads(data)
    layout = _layout()
    if document["fields"] != layout:
        return _read_again(source, index_path(source, folder))
    return tuple(_row(values, layout) for values in document["rows"])


def _read(source: Source, path: Path, digest: str) -> bytes:
    try:
        data = read_file(path, _MOST_BYTES)
    except FileNotFoundError:
        raise
    except (OSError, DocumentError) as error:
        raise _damaged(source, path, reason_of(error)) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(source, path, "it was altered")
    return data


def _damaged(source: Source, path: Path, reason: str) -> SourceError:
    message = f"cannot read the rows of the source {source.name!r}: {reason}."
    hint = f"zoo source remove {source.name}, then add it again: {source.address}"
    return SourceError(message, source=source.name, where=path, hint=hint)


def _row(values: list[Any], layout: dict[str, list[str]]) -> AnyWeightsRow:
    kind = _CLASSES[values[0]]
    found = dict(zip(layout[kind.__name__], values[1:], strict=True))
    for name in _LISTS:
        if found[name] is not None:
            found[name] = tuple(found[name])
    found["metrics"] = tuple(MetricValue(*one) for one in found["metrics"])
    if kind is LivingRow:
        return LivingRow(**{**found, "digest": Digest(*found["digest"])})
    return WeightsRow(**found)


def _read_again(source: Source, path: Path) -> tuple[AnyWeightsRow, ...]:
    """Return the rows from the index, for a file of rows that another version of zoo wrote."""
    data = _read(source, path, source.digest)
    rule = AddressRule(source.base, source.allows_private)
    index = read_index(data, source.address, rule)
    return named_in_scope(index.rows, source.name)
