# SPDX-License-Identifier: Apache-2.0
"""Rows for an index from what a publisher has: published files, or rows written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, read_toml, reason_of
from zoo.errors import SourceError
from zoo.files import digest_of_file, replace_file
from zoo.weights.fetching.all_tries import fetch_file
from zoo.weights.row_check import find_record, record_list

__all__ = ["ROW_SUFFIXES", "rows_of_file"]

ROW_SUFFIXES = (".safetensors", ".toml", ".json")
"""Of files that `rows_of_file` takes."""
_LIMITS = Limits(size_bytes=2**25, values=2_000_000, depth=9)
_METRIC_KEYS = (
    *("name", "value", "dataset", "split", "labels", "protocol"),
    *("unit", "published"),
)
_COPIED = ("task", "licence", "data_licence", "parameters")


def rows_of_file(path: Path, folder: Path, urls: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the rows of a file, as tables of a shelf; a published file is copied to the folder.

    Args:
        path: A ``.safetensors`` that ``zoo publish`` wrote, the ``.toml`` beside it, a ``.toml``
            with ``[[weights]]`` tables, or a ``.json`` shelf.
        folder: Folder of the source.
        urls: Further addresses of the file, after the one beside the index.

    Raises:
        SourceError: It cannot be read, or has no rows.
        DownloadError: The file cannot be copied.
    """
    if path.suffix == ".safetensors":
        return [_of_weights(path, folder, urls)]
    beside = path.with_suffix(".safetensors")
    if path.suffix == ".toml" and beside.is_file():
        return [_of_weights(beside, folder, urls)]
    try:
        read = read_toml if path.suffix == ".toml" else read_json
        document = read(path, _LIMITS)
    except (OSError, DocumentError) as error:
        raise _unfit(path, reason_of(error)) from error
    rows = document.get("weights") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) or not rows:
        raise _unfit(path, "it lists no weights")
    lists = document.get("class_lists") or {}
    return [_expanded(row, lists) for row in rows]


def _unfit(path: Path, reason: str) -> SourceError:
    message = f"cannot list {path.name!r} in an index: {reason}."
    hint = "give a .safetensors that zoo publish wrote, a .toml with [[weights]], or a shelf."
    return SourceError(message, where=path, hint=hint)


def _expanded(row: Mapping[str, Any], lists: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row with its classes in full: another shelf may call another list by that name."""
    classes = row.get("classes")
    is_name = isinstance(classes, str) and classes in lists
    return {**row, "classes": lists[classes]} if is_name else dict(row)


def _of_weights(path: Path, folder: Path, urls: Sequence[str]) -> dict[str, Any]:
    record = find_record(path)
    if record is None:
        raise _unfit(path, "it cannot be read, or has no record")
    try:
        sha256, size_bytes = digest_of_file(path), path.stat().st_size
    except OSError as error:
        raise _unfit(path, reason_of(error)) from error
    target = folder / sha256 / path.name
    fetch_file(target, sha256, size_bytes, [path.resolve().as_uri()], mend=True)
    card = path.with_suffix(".md")
    if card.is_file():
        replace_file(target.with_suffix(".md"), card.read_bytes())
    metrics = [one for one in record_list(record, "metrics") if isinstance(one, dict)]
    return {
        "name": record.get("name"),
        **{key: record.get(key) for key in _COPIED},
        **{key: record[key] for key in ("non_commercial",) if record.get(key) is not None},
        "config": record.get("trained_with"),
        "classes": record_list(record, "classes"),
        "urls": [f"{sha256}/{path.name}", *urls],
        "sha256": sha256,
        "size_bytes": size_bytes,
        "format": "safetensors",
        "metrics": [{key: one[key] for key in _METRIC_KEYS if key in one} for one in metrics],
    }
