# SPDX-License-Identifier: Apache-2.0
"""A published file, and the ``[[weights]]`` row that offers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.engine.records.record import ModelRecord

__all__ = ["METRIC_KEYS", "Published"]

METRIC_KEYS = ("name", "value", "dataset", "split", "labels", "protocol", "unit")


@dataclass(frozen=True, slots=True)
class Published:
    """A published file.

    Attributes:
        path: The file.
        sha256: Its digest.
        size_bytes: Its size.
        record: Its record.
        urls: Where it will be, for the manifest's row.
    """

    path: Path
    sha256: str
    size_bytes: int
    record: ModelRecord
    urls: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the paths of the files and the values of the row, as plain values."""
        record = self.record
        return {
            "name": record.name,
            "file": str(self.path),
            "card": str(self.path.with_suffix(".md")),
            "row": str(self.path.with_suffix(".toml")),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "urls": list(self.urls),
            "metrics": [dict(row) for row in record.metrics],
            "manifest_row": self.manifest_row(),
        }

    def manifest_row(self) -> str:
        """Return the ``[[weights]]`` row, to paste into a plugin's manifest."""
        record = self.record
        values = {
            "name": record.name,
            "task": record.task,
            "config": record.trained_with,
            "urls": list(self.urls),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "format": "safetensors",
            "licence": record.licence,
            "data_licence": record.data_licence,
            "parameters": record.parameters,
        }
        if record.non_commercial is not None:
            values["non_commercial"] = record.non_commercial
        lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
        metrics = [{key: row[key] for key in METRIC_KEYS if key in row} for row in record.metrics]
        rows = [f"    {_toml_table(row)}," for row in metrics]
        return "\n".join(["[[weights]]", *lines, "metrics = [", *rows, "]", ""])


def _toml(value: Any) -> str:
    # JSON's texts, numbers and lists of texts are TOML's too, but for DEL, which TOML wants escaped
    # as whatever a reader could not see.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


def _toml_table(row: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in row.items()) + " }"
