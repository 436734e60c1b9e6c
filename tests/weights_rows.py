# SPDX-License-Identifier: Apache-2.0
"""One ``[[weights]]`` row as the tests write it, each with what it changes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

METRIC: dict[str, Any] = {
    "name": "dice",
    "value": 0.9,
    "dataset": "d",
    "split": "test",
    "labels": "true",
    "protocol": "README",
}


def weights_row(name: str = "one", data: bytes | None = None, **changes: Any) -> str:
    """Return the TOML of a row that zoo takes.

    Args:
        name: Of the weights; its address is at a host that does not exist.
        data: The bytes of the file, whose size and sha256 the row states; None for 1 byte of
            another digest, which no file has.
        changes: Keys in place of the row's own.
    """
    values: dict[str, Any] = {
        "name": name,
        "task": "semantic",
        "config": "unet_small",
        "urls": [f"https://weights.example.invalid/v1/{name}.safetensors"],
        "sha256": "0123456789abcdef" * 4 if data is None else hashlib.sha256(data).hexdigest(),
        "size_bytes": 1 if data is None else len(data),
        "format": "safetensors",
        "licence": "Apache-2.0",
        "data_licence": "CC0-1.0",
        "parameters": 4,
        "metrics": [METRIC],
        **changes,
    }
    return "\n".join(["", "[[weights]]", *(f"{k} = {_toml(v)}" for k, v in values.items()), ""])


def _toml(value: Any) -> str:
    """Return a value as TOML, which spells what is not a table as JSON does."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
