# SPDX-License-Identifier: Apache-2.0
"""Run in a process of its own: light imports in some order, then OpenMMLab as a whole.

    python light_harness.py registries [mmseg.UNet mmdet.MaskRCNN ...]
    python light_harness.py types SEED

``registries`` imports each type lightly, then everything, and prints what the registries and the
packages hold. ``types`` imports every type of the map lightly, in a random order, and prints those
that are not the class which upstream registers.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import warnings
from types import ModuleType
from typing import Any

import zoo  # noqa: F401  (mmcv's ops)
from zoo.engine.imports.light import light_imports
from zoo.engine.imports.type_modules import PACKAGES, find_type_modules

warnings.simplefilter("ignore")
ATTRIBUTES = {"model": "MODELS", "task util": "TASK_UTILS", "transform": "TRANSFORMS"}


def find(root: str, key: str) -> Any:
    import mmengine.registry

    return getattr(mmengine.registry, ATTRIBUTES[root]).get(key)


def found_by_another_thread(root: str, key: str) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(find(root, key)))
    thread.start()
    thread.join()
    return found[0]


def import_all() -> None:
    import mmdet.utils
    import mmengine.runner  # noqa: F401
    import mmseg.utils

    mmseg.utils.register_all_modules(init_default_scope=False)
    mmdet.utils.register_all_modules(init_default_scope=False)


def registries() -> dict[str, dict[str, str]]:
    from mmengine.registry import Registry

    found: dict[str, dict[str, str]] = {}
    for package in PACKAGES:
        for registry in vars(sys.modules[f"{package}.registry"]).values():
            if isinstance(registry, Registry):
                found[f"{registry.root.name}/{registry.scope}"] = {
                    name: f"{kind.__module__}.{getattr(kind, '__qualname__', kind)}"
                    for name, kind in registry.module_dict.items()
                }
    return found


def packages() -> dict[str, list[str]]:
    """Return the public names of each package of OpenMMLab, submodules apart."""
    return {
        name: sorted(
            attribute
            for attribute, value in vars(module).items()
            if not attribute.startswith("_") and not isinstance(value, ModuleType)
        )
        for name, module in sys.modules.items()
        if name.partition(".")[0] in PACKAGES and hasattr(module, "__path__")
    }


def report_registries(types: list[str]) -> None:
    for key in types:
        with light_imports({"type": key}, "mmengine"):
            assert find("model", key) is not None, key
    light = sorted(name for name in ("mmdet", "sympy", "matplotlib") if name in sys.modules)
    import_all()
    left = [type(one).__name__ for one in (*sys.modules.values(), *sys.meta_path)]
    sys.stdout.write(
        json.dumps(
            {
                "light": light,
                "registries": registries(),
                "packages": packages(),
                "lazy": [name for name in left if name.startswith("Lazy")],
            }
        )
    )


def report_types(seed: int) -> None:
    modules = find_type_modules()
    assert modules is not None
    rows = [(key.split("/"), name) for key, row in modules.items() for name in row]
    rows = [row for row in rows if row[0][0] in ATTRIBUTES]
    random.Random(seed).shuffle(rows)
    found = {}
    for number, ((root, scope), name) in enumerate(rows):
        key = f"{scope}.{name}"
        with light_imports({"type": key}, "mmengine"):
            look_up = find if number % 10 else found_by_another_thread
            found[root, key] = look_up(root, key)
    was_light = "mmengine.runner.runner" not in sys.modules
    import_all()
    wrong = [str(key) for key, kind in found.items() if kind is None or find(*key) is not kind]
    sys.stdout.write(json.dumps({"count": len(found), "wrong": wrong, "was_light": was_light}))


if __name__ == "__main__":
    if sys.argv[1] == "registries":
        report_registries(sys.argv[2:])
    else:
        report_types(int(sys.argv[2]))
