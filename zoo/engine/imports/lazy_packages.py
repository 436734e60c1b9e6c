# SPDX-License-Identifier: Apache-2.0
"""Lazy OpenMMLab packages, whose ``__init__`` runs only when something needs all of it.

Those ``__init__`` modules import whole families of models to offer their names. Inside
`lazy_packages` they are not run: a package resolves a name by the one import statement of its
``__init__`` that binds it. Outside the block nothing is lazy: importing such a package runs its
``__init__`` in the existing module, so that every importer finds it complete, and the modules
imported meanwhile stay the same.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["LazyFinder", "LazyPackage"]


class LazyFinder(MetaPathFinder):
    """Finds the modules of some packages, lazily while it is open.

    Args:
        packages: Top-level names.
        after_import: Called with each module ``<package>.registry`` once it is imported.
        give_up: Called when it cannot be determined what a package binds; it closes and completes.
    """

    def __init__(
        self,
        packages: Sequence[str],
        after_import: Callable[[ModuleType], None],
        give_up: Callable[[], None],
    ) -> None:
        self._packages = frozenset(packages)
        self._after_import = after_import
        self._give_up = give_up
        self._is_open = False
        self._parked: dict[str, LazyPackage] = {}

    def open(self) -> None:
        """Start to be lazy."""
        sys.modules.update(self._parked)
        self._parked = {}
        self._is_open = True
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Stop being lazy; a package with a deferred ``__init__`` runs it when it is imported."""
        self._is_open = False
        # a copy is taken in one step of C; a list of the items is not, and an import of another
        # thread or of a finalizer may come in between
        for name, module in sys.modules.copy().items():
            if type(module) is LazyPackage:
                self._parked[name] = module
                del sys.modules[name]
        self._withdraw_if_done()

    def complete(self) -> None:
        """Run each ``__init__`` that was deferred; the finder must be closed."""
        for name in sorted(self._parked):
            importlib.import_module(name)

    def _withdraw_if_done(self) -> None:
        if not (self._is_open or self._parked) and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a package that is or was lazy, and None for every other name.

        Args:
            fullname: Full name of the module to import.
            path: ``__path__`` of its parent package, None for a top-level module.
            target: Not used.
        """
        top, dot, rest = fullname.partition(".")
        if top not in self._packages or not dot:
            return None
        parked = self._parked.pop(fullname, None)
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        if parked is not None:
            spec.loader = _InPlace(spec.loader, parked)
            self._withdraw_if_done()
        elif not self._is_open:
            return None
        elif rest == "registry":
            spec.loader = _Followed(spec.loader, self._after_import)
        elif spec.submodule_search_locations is not None and not rest.startswith("registry."):
            contents = _find_contents(fullname, spec.origin, self._give_up)
            if contents is None:
                return None
            spec.loader = _PuttingOff(spec.loader, contents)
        return spec


class LazyPackage(ModuleType):
    """A package that has not run its ``__init__``."""

    def __getattr__(self, name: str) -> Any:
        """Return what the ``__init__`` would bind to a name; dunder names are refused."""
        if name.startswith("__") and name != "__all__":
            raise _no_attribute(self, name)
        if sys.modules.get(self.__name__) is not self:  # it is parked
            importlib.import_module(self.__name__)
            return getattr(self, name)
        contents: _Contents = vars(self)["__zoo_contents__"]
        found = contents.find(name)
        if found is not None:
            vars(self)[name] = found[0]
            return found[0]
        if PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None:
            raise _no_attribute(self, name)  # a submodule, which Python imports then
        contents.give_up()
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but never replace a name that the ``__init__`` binds by a submodule.

        Importing a submodule sets it as an attribute of its package; an ``__init__`` would
        overwrite that with the function of the same name.
        """
        contents: _Contents | None = vars(self).get("__zoo_contents__")
        is_submodule = contents is not None and isinstance(value, ModuleType)
        if not (is_submodule and contents is not None and name in contents.bindings):
            super().__setattr__(name, value)


def _no_attribute(module: ModuleType, name: str) -> AttributeError:
    message = f"module {module.__name__!r} has no attribute {name!r}"
    return AttributeError(message, name=name, obj=module)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What an ``__init__`` binds.

    Attributes:
        bindings: Module and attribute of each name.
        stars: Modules of which everything is imported.
        give_up: Completes all lazy packages.
    """

    bindings: Mapping[str, tuple[str, str]]
    stars: tuple[str, ...]
    give_up: Callable[[], None]

    def find(self, name: str) -> tuple[Any] | None:
        """Return the value that is bound to a name, or None."""
        if name in self.bindings:
            module, attribute = self.bindings[name]
            return (_get(module, attribute),)
        for star in self.stars:
            module_of_star = importlib.import_module(star)
            inner = vars(module_of_star).get("__zoo_contents__")
            if inner is None:
                return None  # its exact exports are unknown
            found: tuple[Any] | None = inner.find(name)
            if found is not None:
                return found
        return None


def _get(module: str, attribute: str) -> Any:
    """Return an attribute or submodule, as ``from module import attribute`` does."""
    owner = importlib.import_module(module)
    try:
        return getattr(owner, attribute)
    except AttributeError:
        return importlib.import_module(f"{module}.{attribute}")


class _Wrapping(Loader):
    """A wrapper of the real loader; afterwards the module has the real one as its loader."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader


class _PuttingOff(_Wrapping):
    """Defers an ``__init__``."""

    def __init__(self, loader: Loader, contents: _Contents) -> None:
        super().__init__(loader)
        self._contents = contents

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return LazyPackage(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        vars(module)["__zoo_contents__"] = self._contents


class _InPlace(_Wrapping):
    """Runs a deferred ``__init__``."""

    def __init__(self, loader: Loader, module: LazyPackage) -> None:
        super().__init__(loader)
        self._module = module

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        self._module.__class__ = ModuleType  # type: ignore[assignment]
        vars(self._module).pop("__zoo_contents__", None)
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._loader.exec_module(module)


class _Followed(_Wrapping):
    """Calls a function after the module was imported."""

    def __init__(self, loader: Loader, after_import: Callable[[ModuleType], None]) -> None:
        super().__init__(loader)
        self._after_import = after_import

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._loader.exec_module(module)
        self._after_import(module)


def _find_contents(package: str, file: str | None, give_up: Callable[[], None]) -> _Contents | None:
    """Return what an ``__init__`` binds; None if it does more than import and list names."""
    if file is None or not file.endswith(".py"):
        return None
    bindings: dict[str, tuple[str, str]] = {}
    stars: list[str] = []
    for node in ast.parse(Path(file).read_bytes()).body:
        if isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            names = {alias.asname or alias.name: (module, alias.name) for alias in node.names}
            stars += [module for name in names if name == "*"]
            bindings |= {name: place for name, place in names.items() if name != "*"}
        elif not _lists_names(node):
            return None
    return _Contents(bindings, tuple(stars), give_up)


def _lists_names(node: ast.stmt) -> bool:
    """Return whether a statement is documentation, a list of names, or conditional imports."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__all__")))):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.AugAssign(target=ast.Name(id="__all__")):
            return True
        case ast.If():
            inner = [*node.body, *node.orelse]
            return all(isinstance(one, ast.ImportFrom) or _lists_names(one) for one in inner)
    return False
