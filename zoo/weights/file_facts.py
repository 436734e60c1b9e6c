# SPDX-License-Identifier: Apache-2.0
"""Facts of a weights file: the record in its header, read without loading tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.catalog import Catalog
from zoo.errors import DownloadError
from zoo.files import digest_of_file
from zoo.manifest.rows import WeightsRow
from zoo.weights.row_check import find_record, record_list

__all__ = ["WEIGHTS_SUFFIXES", "describe_file"]

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
_NO_RECORD = "none: only files that `zoo publish` or `zoo rescue` wrote have one"
_KEYS = (
    *("name", "task", "classes", "trained_with", "parameters", "labels"),
    *("licence", "data_licence", "postprocess", "provenance"),
)


def describe_file(path: Path, catalog: Catalog) -> dict[str, Any]:
    """Return the facts of a file: size, digest, names in the catalog, and record.

    No code in the file is run. The record is only as reliable as the author of the file.

    Args:
        path: A weights file.
        catalog: Catalog whose rows may state the digest of the file.

    Raises:
        DownloadError: It cannot be read.
    """
    try:
        size_bytes = path.stat().st_size
        sha256 = digest_of_file(path)
    except OSError as error:
        message = f"cannot read {path.name!r}: {error.strerror or error}."
        raise DownloadError(
            message, where=path, hint="check the permissions of the file."
        ) from error
    rows = [found for found in catalog.rows("weights") if isinstance(found.row, WeightsRow)]
    known = [
        f"{found.record.name}.{found.row.name}"
        for found in rows
        if getattr(found.row, "sha256", None) == sha256
    ]
    facts: dict[str, Any] = {
        "kind": "file",
        "path": str(path),
        "size": f"{size_bytes / 1e6:.1f} MB",
    }
    facts |= {"size_bytes": size_bytes, "sha256": sha256, "weights": known}
    record = find_record(path)
    if record is None:
        return {**facts, "record": _NO_RECORD}
    kept = {key: _plain(record.get(key)) for key in _KEYS}
    kept["metrics"] = [_ordered(each) for each in _plain(record_list(record, "metrics"))]
    return {**facts, **{key: value for key, value in kept.items() if value is not None}}


def _ordered(metric: Any) -> Any:
    """Return a metric with name and value first, as in a row of a manifest."""
    if not isinstance(metric, dict):
        return metric
    return {key: metric[key] for key in ("name", "value") if key in metric} | metric


def _plain(value: Any) -> Any:
    """Return a value of a record as plain JSON; a record stores a tuple as a one-key table."""
    if isinstance(value, Mapping):
        if set(value) == {"$tuple"}:
            return _plain(value["$tuple"])
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
