# SPDX-License-Identifier: Apache-2.0
"""Write ``zoo/engine/imports/type_modules.json``: the module of each type of OpenMMLab.

    python tools/type_modules.py            # writes the file
    python tools/type_modules.py --check    # exits with 1 if the file differs

Imports all of mmcv, mmengine, mmseg and mmdet, and records the module being imported at each
registration. `zoo.engine.imports.light` reads the file.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import warnings
from pathlib import Path
from typing import Any

import zoo  # noqa: F401  (mmcv's ops)
from zoo.engine.imports.type_modules import PACKAGES, sign_packages

ROOT = Path(__file__).resolve().parent.parent
ROOTS = ("model", "task util", "transform")  # registries used for prediction
TARGET = ROOT / "zoo" / "engine" / "imports" / "type_modules.json"


def main() -> None:
    """Write the map, or compare it with the existing file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    document = {"packages": sign_packages(), "types": collect_types()}
    text = json.dumps(document, indent=0, sort_keys=True) + "\n"
    if not arguments.check:
        TARGET.write_text(text, "utf-8")
        return
    if not TARGET.is_file() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET.name} differs: run python tools/type_modules.py")


def collect_types() -> dict[str, dict[str, str]]:
    """Return, for each registry (``model/mmseg``), the module that registers each name.

    If a name is registered twice, the last one counts, as in the registry. Ops are in no registry;
    heads of mmdet use them by name.
    """
    from mmengine.registry import Registry

    found: dict[str, dict[str, str]] = {}
    register = Registry._register_module

    def note(self: Any, module: Any, module_name: Any = None, force: bool = False) -> None:
        register(self, module, module_name, force)
        names = [module_name] if isinstance(module_name, str) else module_name
        rows = found.setdefault(f"{self.root.name}/{self.scope}", {})
        for name in names or [module.__name__]:
            rows[name] = _importing()

    Registry._register_module = note
    warnings.simplefilter("ignore")
    for package in ("mmcv", *PACKAGES):
        _import_all(package)
    ops = dict.fromkeys(importlib.import_module("mmcv.ops").__all__, "mmcv.ops")
    keys = [f"{root}/{scope}" for root in ROOTS for scope in PACKAGES]
    return {"op/mmcv": ops} | {key: found.get(key, {}) for key in keys}


def _importing() -> str:
    """Return the innermost OpenMMLab module being imported."""
    frame = sys._getframe(2)
    while frame.f_code.co_name != "<module>":
        frame = frame.f_back  # type: ignore[assignment]
    return str(frame.f_globals["__name__"])


def _import_all(package: str) -> None:
    """Import what a package's own ``__init__`` modules import, as its users do."""
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None):
        if found.ispkg and ".configs" not in found.name and ".apis" not in found.name:
            importlib.import_module(found.name)


if __name__ == "__main__":
    main()
