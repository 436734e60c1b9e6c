# SPDX-License-Identifier: Apache-2.0
"""Check that a ``[[weights]]`` row agrees with its file, which is authoritative.

A published file contains a record of task, config, licences, parameters and metrics, protected by
the digest in the row. Anyone may edit a row. The record is plain JSON in the header of a
``.safetensors``, so reading it needs no tensors and no heavy imports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.catalog import Found
from zoo.documents import DocumentError, Limits, parse_json
from zoo.errors import ManifestError
from zoo.manifest.rows import WeightsRow
from zoo.texts import shown

__all__ = [
    "HEADER_LIMITS",
    "Difference",
    "check_row",
    "find_differences",
    "find_record",
    "record_list",
]

HEADER_LIMITS = Limits(size_bytes=8 * 2**20, values=2_000_000, depth=64)
"""Of a ``.safetensors`` header and of the record in it, for whoever reads one: a record that opens
a model is one that is compared."""
_RECORD_KEY = "zoo"
_METRIC_KEYS = ("name", "value", "dataset", "split", "labels", "protocol")
# Key of a row -> key of a record.
_KEYS = {
    "task": "task",
    "config": "trained_with",
    "licence": "licence",
    "data_licence": "data_licence",
    "parameters": "parameters",
}
_MOST_LISTED = 6


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between a row and its file.

    Attributes:
        key: Key of the row.
        row: Value in the row, formatted for a message.
        file: Value in the file.
    """

    key: str
    row: str
    file: str

    def __str__(self) -> str:
        """Return both values on one line."""
        return f"{self.key}: the row says {self.row}, the file {self.file}"


def find_differences(row: WeightsRow, path: Path) -> tuple[Difference, ...]:
    """Return the differences between a row and its file; none if the file has no record.

    Args:
        row: Row of a manifest.
        path: Local file of the row; only the header is read.
    """
    record = find_record(path)
    if record is None:
        return ()
    found = [
        Difference(key, shown(getattr(row, key)), shown(record.get(name)))
        for key, name in _KEYS.items()
        if getattr(row, key) != record.get(name)
    ]
    return (*found, *_metric_differences(row, record))


def check_row(found: Found, path: Path) -> None:
    """Raise an error if a row of a manifest contradicts its file.

    Args:
        found: The row from the catalog.
        path: File of the row, already verified.

    Raises:
        ManifestError: They differ; the message names each field with both values.
    """
    row = found.row
    differences = find_differences(row, path) if isinstance(row, WeightsRow) else ()
    if not differences:
        return
    listed = "\n".join(f"  {each}" for each in differences[:_MOST_LISTED])
    message = f"cannot use the weights {row.name!r}: their row contradicts the file, "
    message += f"expected what the file says.\n{listed}"
    if len(differences) > _MOST_LISTED:
        message += f"\n  and {len(differences) - _MOST_LISTED} more"
    record = found.record
    hint = f"tell the author of the {record.label}; the file itself can be used: {path}"
    raise ManifestError(message, plugin=record.name, manifest=record.path, hint=hint)


def _metric_differences(row: WeightsRow, record: Mapping[str, Any]) -> list[Difference]:
    stated = Counter(tuple(getattr(one, key) for key in _METRIC_KEYS) for one in row.metrics)
    held = Counter(_metrics(record))
    added, missing = sorted(map(_text, stated - held)), sorted(map(_text, held - stated))
    # Compare equal metrics side by side, so that a changed value is one difference.
    pairs: list[Difference] = []
    for one in added:
        other = next((each for each in missing if each.split()[0] == one.split()[0]), None)
        if other is not None:
            missing.remove(other)
        pairs.append(Difference("metrics", one, other or "no such metric"))
    return [*pairs, *(Difference("metrics", "no such metric", each) for each in missing)]


def _text(metric: tuple[Any, ...]) -> str:
    name, value, *rest = metric
    # In full: two values may differ only in the last digit.
    number = repr(value) if isinstance(value, float) else shown(value)
    return f"{shown(name)} {number} ({', '.join(map(shown, rest))})"


def _metrics(record: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    tables = [one for one in record_list(record, "metrics") if isinstance(one, dict)]
    return [tuple(_plain(one.get(key)) for key in _METRIC_KEYS) for one in tables]


def record_list(record: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list from a record, which stores a tuple as a table; empty if missing.

    Args:
        record: A record from `find_record`.
        key: Key of the list, such as ``classes``.
    """
    values = record.get(key)
    if isinstance(values, dict):
        values = values.get("$tuple")
    return values if isinstance(values, list) else []


def _plain(value: Any) -> Any:
    """Return the value of a metric as in a row, where integers are read as floats."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return value if isinstance(value, str) else shown(value)


def find_record(path: Path) -> dict[str, Any] | None:
    """Return the record in the header of a file, or None if there is no readable one.

    Args:
        path: A file, possibly from ``zoo publish``; no tensors are read.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > HEADER_LIMITS.size_bytes:
                return None
            header = parse_json(stream.read(length), HEADER_LIMITS)
        metadata = header.get("__metadata__") if isinstance(header, dict) else None
        text = metadata.get(_RECORD_KEY) if isinstance(metadata, dict) else None
        if not isinstance(text, str):
            return None
        record = parse_json(text.encode(errors="replace"), HEADER_LIMITS)
    except (OSError, DocumentError):  # opening the model reports the error
        return None
    return record if isinstance(record, dict) else None
