# SPDX-License-Identifier: Apache-2.0
"""Set up the surroundings of mutated documents: valid plugins and folders, and zoo."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from document_mutator import write_json, write_toml
from document_reading import zoo
from document_seeds import HEADER, INDEX, MANIFEST

from zoo.manifest import discovery

__all__ = ["surround"]


def surround(root: Path, *, with_folders: bool) -> None:
    """Fill a folder with valid documents, optionally prepared folders, and configure zoo for it.

    Args:
        root: Folder to fill.
        with_folders: Whether to add prepared folders.
    """
    package = root / "plugins/hostile/zoo_hostile"
    for folder in (package, root / "run/vis_data", root / "site/hostile-1.0.dist-info"):
        folder.mkdir(parents=True)
    for name in ("__init__.py", "c.py", "w.safetensors"):
        (package / name).write_text("")
    (package / "old.json").write_bytes(write_json(INDEX, random.Random(0)))
    (package / "zoo_plugin.toml").write_bytes(write_toml(MANIFEST))
    for name, parent in (("good", "plugins/good"), ("wheel", "site")):
        place = root / parent / f"zoo_{name}"
        place.mkdir(parents=True)
        (place / "__init__.py").write_text("")
        manifest = {
            "plugin": {**HEADER, "name": name},
            "loss": [{"name": "G", "target": f"zoo_{name}.x:G"}],
        }
        (place / "zoo_plugin.toml").write_bytes(write_toml(manifest))
    os.environ |= {
        "ZOO_PLUGIN_PATH": str(root / "plugins"),
        "ZOO_CACHE": str(root / "cache"),
        "ZOO_LOCK": str(root / "zoo.lock"),
    }
    sys.path.append(str(root / "site"))
    if with_folders:
        _prepare_folders(root)
    # Ignore the installed plugins, which are not tested and would take most of the time.
    discovery._entry_point_values, discovery.find_checkouts = list, tuple


def _prepare_folders(root: Path) -> None:
    for name, plugin, size in (("semantic", "lung_xray", "64"), ("instance", "oil_storage", "256")):
        raw = root / f"{name}-raw"
        zoo("data", "sample", plugin, "--out", raw, "--count", "6", "--size", size, listing=True)
        words = ("--source", raw, "--out", root / name, "--shares", "0.5,0.5,0")
        zoo("data", "prepare", plugin, *words, listing=True)
