# SPDX-License-Identifier: Apache-2.0
"""Which OpenMMLab module registers which type, if the installed sources are the expected ones.

The map is data: ``tools/type_modules.py`` writes ``type_modules.json``. It is valid only for the
files that it was made from. A clone with a user's own models has other files, and no map.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from importlib import resources
from importlib.machinery import PathFinder
from typing import Any

__all__ = ["PACKAGES", "find_type_modules", "sign_packages"]

PACKAGES = ("mmengine", "mmseg", "mmdet")
"""The packages of which only the modules that a model needs are imported."""


@functools.cache
def find_type_modules() -> Mapping[str, Mapping[str, str]] | None:
    """Return the modules by registry (``model/mmseg``) and name; None if the sources differ."""
    text = resources.files("zoo.engine.imports").joinpath("type_modules.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    if document["packages"] != sign_packages():
        return None
    types: dict[str, dict[str, str]] = document["types"]
    return types


def sign_packages() -> dict[str, str]:
    """Return a digest of the names and sizes of each package's modules, without reading them."""
    return {name: _signature(name) for name in PACKAGES}


def _signature(package: str) -> str:
    spec = PathFinder.find_spec(package)
    folders = spec.submodule_search_locations if spec is not None else None
    rows = [row for folder in folders or () for row in _listing(folder, "")]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def _listing(folder: str, prefix: str) -> list[str]:
    rows: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                rows.append(f"{prefix}{entry.name} {entry.stat().st_size}")
            elif entry.name not in ("__pycache__", ".mim", "configs") and entry.is_dir():
                rows += _listing(entry.path, f"{prefix}{entry.name}/")
    return rows
