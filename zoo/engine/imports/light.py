# SPDX-License-Identifier: Apache-2.0
"""``light_imports``: import only the modules of OpenMMLab that a model needs.

Before an OpenMMLab registry looks up a name, it imports its whole package: all of mmseg and mmdet,
and with them matplotlib, scipy, sympy and most of torch.distributed, for a single network. The
network's own modules, with their imports, are less than half of that.

Inside the block, a registry imports only the module that registers the name, according to the map
in `zoo.engine.imports.type_modules`, and packages are lazy (`zoo.engine.imports.lazy_packages`).
The result is the same: classes and names are upstream's. After the block, registries and packages
are as upstream has them before their first use, so the next user imports everything else.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.tree import iterate_dicts
from zoo.engine.imports.lazy_packages import LazyFinder
from zoo.engine.imports.type_modules import PACKAGES, find_type_modules
from zoo.engine.patching import exchanged

if TYPE_CHECKING:
    from mmengine.registry import Registry

__all__ = ["light_imports"]

_LOCK = threading.RLock()


@contextmanager
def light_imports(node: Any, scope: str) -> Iterator[None]:
    """Import only what a model or a pipeline needs, while it is built.

    If a type is not in the map (a third party's, or one of another version of OpenMMLab),
    everything is imported, as without this block. The block applies to the whole process; lookups
    of other threads work too.

    Args:
        node: The part of a config that is built inside.
        scope: The config's default scope.
    """
    if not _is_mapped(node, scope):
        yield
        return
    _STATE.enter()
    try:
        yield
    finally:
        _STATE.leave()


def _is_mapped(tree: Any, default: str) -> bool:
    modules = find_type_modules()
    if modules is None:
        return False
    known = {f"{key.partition('/')[2]}.{name}" for key, row in modules.items() for name in row}
    for _, node in iterate_dicts(tree):
        name = node.get("type")
        if name is None or (isinstance(name, str) and name.startswith("zoo.")):
            continue
        scopes = (f"{node.get('_scope_') or default}.", "mmengine.", "mmcv.", "")
        if not isinstance(name, str) or known.isdisjoint(f"{scope}{name}" for scope in scopes):
            return False
    return True


class _State:
    """The number of open blocks in the process, and what they changed."""

    def __init__(self) -> None:
        self._finder = LazyFinder(PACKAGES, self._map_registries, self.complete)
        self._users = 0
        self._changes = ExitStack()

    def enter(self) -> None:
        with _LOCK:
            self._users += 1
            if self._users > 1:
                return
            importlib.import_module("mmengine.registry")  # also imports mmengine itself
            self._finder.open()
            for package in PACKAGES:
                module = sys.modules.get(f"{package}.registry")
                if module is not None:
                    self._map_registries(module)

    def leave(self) -> None:
        with _LOCK:
            self._users -= 1
            if self._users == 0:
                self._close()

    def complete(self) -> None:
        """End all blocks early, and import what was deferred."""
        with _LOCK:
            self._close()
            self._finder.complete()

    def _close(self) -> None:
        self._changes.close()
        self._finder.close()

    def _map_registries(self, module: ModuleType) -> None:
        from mmengine.registry import Registry

        for registry in vars(module).values():
            if isinstance(registry, Registry) and not registry._imported:
                self._changes.enter_context(self._mapped(registry))

    def _mapped(self, registry: Registry) -> AbstractContextManager[None]:
        if _modules_of(registry) is not None:
            return exchanged(registry, get=self._importing(registry), _imported=True)

        def import_from_location() -> None:
            self.complete()
            registry.import_from_location()

        return exchanged(registry, import_from_location=import_from_location)

    def _importing(self, registry: Registry) -> Callable[[str], Any]:
        """Return a registry's ``get`` that first imports the module of the requested type."""
        upstream = registry.get

        def get(key: str) -> Any:
            _import_type(registry, key)
            found = upstream(key)
            if found is None and not _is_anywhere(key):
                self.complete()
                found = upstream(key)
            return found

        return get


def _import_type(registry: Registry, key: str) -> None:
    """Import the module of a type, in the registry that upstream finds it in."""
    scope, _, name = key.rpartition(".")
    level: Registry | None = registry
    while level is not None and scope in ("", level.scope):
        if name in level.module_dict:
            return
        module = (_modules_of(level) or {}).get(name)
        if module is not None:
            importlib.import_module(module)
            return
        level = None if scope else level.parent


def _is_anywhere(key: str) -> bool:
    """Return whether the map has a type in any scope; if so, only this registry lacks it."""
    name = key.rpartition(".")[2]
    return any(name in row for row in (find_type_modules() or {}).values())


def _modules_of(registry: Registry) -> Mapping[str, str] | None:
    return (find_type_modules() or {}).get(f"{registry.root.name}/{registry.scope}")


_STATE = _State()
