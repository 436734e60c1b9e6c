# SPDX-License-Identifier: Apache-2.0
"""Write ``zoo/checking/source/upstream_types.json``: every type that OpenMMLab registers.

    python tools/upstream_types.py            # writes the file
    python tools/upstream_types.py --check    # exits with 1 if the file differs

Imports all of mmcv, mmengine, mmseg and mmdet and lists their registries. ``zoo plugin check``
reads the file, so that it tells a mistyped name without importing any of them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import warnings
from pathlib import Path
from typing import Any

from generated_files import write_or_check

import zoo  # noqa: F401  (mmcv's ops)

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "zoo" / "checking" / "source" / "upstream_types.json"
PACKAGES = ("mmengine", "mmcv", "mmseg", "mmdet")


def files() -> dict[Path, str]:
    """Return the text of the list."""
    return {TARGET: json.dumps(collect_names(), indent=0, sort_keys=True) + "\n"}


def collect_names() -> dict[str, list[str]]:
    """Return the names in each root registry and its children; ops, which heads name, as ``op``."""
    warnings.simplefilter("ignore")
    for package in PACKAGES:
        _import_all(package)
    from mmengine import registry
    from mmengine.registry import Registry

    found: dict[str, set[str]] = {"op": set(importlib.import_module("mmcv.ops").__all__)}
    for root in vars(registry).values():
        if isinstance(root, Registry):
            found.setdefault(root.name, set()).update(_names(root))
    return {name: sorted(names) for name, names in found.items()}


def _names(registry: Any) -> set[str]:
    names = {name for name in registry.module_dict if isinstance(name, str)}
    return names.union(*map(_names, registry.children.values()))


def _import_all(package: str) -> None:
    """Import what a package's own ``__init__`` modules import, as its users do."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None):
        if found.ispkg and ".configs" not in found.name:
            importlib.import_module(found.name)


if __name__ == "__main__":
    sys.exit(write_or_check(files, __doc__))
