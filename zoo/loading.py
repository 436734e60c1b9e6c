# SPDX-License-Identifier: Apache-2.0
"""Load ``package.module:Name``. Only this module imports code of plugins."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from zoo.catalog import Found, PluginRecord, read_catalog
from zoo.errors import ConflictError, LoadError, UnknownNameError
from zoo.manifest.kinds import KINDS
from zoo.manifest.lookups import check_name
from zoo.manifest.requirements import check_requirements
from zoo.manifest.rows import Contribution, Manifest
from zoo.names import hint_near, near_names

__all__ = ["load_contribution", "load_target"]


def load_contribution(kind: str, name: str) -> object:
    """Import and return the class or function of a contribution.

    Args:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        name: ``Name`` or ``plugin.Name``.

    Raises:
        UnknownNameError: No kind has that name, or no contribution of that kind does.
        PluginError: The plugin cannot be used, or importing it fails (``LoadError``).
    """
    check_name("kind", kind)
    if kind not in KINDS:
        near = near_names(kind, KINDS)
        message = f"no kind named {kind!r}."
        hint = hint_near(near, f"there are {', '.join(KINDS)}.")
        raise UnknownNameError(message, kind="kind", name=kind, near=near, hint=hint)
    return load_target(read_catalog().find(kind, name))


def load_target(source: Found | PluginRecord, target: str | None = None) -> object:
    """Import and return a target from the folder that contains its manifest.

    Args:
        source: The row or the plugin.
        target: ``package.module:Name`` in that plugin; by default the target of the row.

    Raises:
        LoadError: Importing fails, or the module lacks the name; the cause is chained.
        IncompatibleError: Distributions that the manifest requires are missing.
        ConflictError: Another package of the same name was imported instead.
        PluginError: The plugin cannot be used at all.
    """
    record = source.record if isinstance(source, Found) else source
    label = f"target {target!r}"
    if isinstance(source, Found) and isinstance(source.row, Contribution):
        target = target or source.row.target
        label = f"{source.row.kind} {source.row.name!r}"
    manifest = record.checked()
    if target is None:
        message = f"cannot load a target of plugin {record.name!r}: the row does not name one."
        raise LoadError(message, target="", plugin=record.name, manifest=manifest.path)
    _check_requirements_once(manifest.requires, manifest.plugin, manifest.path)
    if not record.is_importable:
        _append_to_path(manifest.folder.parent)
    module_name, _, name = target.partition(":")
    with _running_foreign_code(target, label, manifest):
        module = importlib.import_module(module_name)
    _check_folder(module, target, manifest)
    with _running_foreign_code(target, label, manifest):  # a module may define __getattr__
        try:
            return getattr(module, name)
        except AttributeError as error:
            absent = error
    near = near_names(name, [other for other in vars(module) if other[0] != "_"])
    message = f"cannot load {label}: module {module_name} has no {name!r}."
    hint = hint_near(near, "correct the target in the manifest.")
    raise _load_error(message, target, manifest, hint) from absent


@cache
def _check_requirements_once(requires: tuple[str, ...], plugin: str, manifest: Path) -> None:
    check_requirements(requires, plugin=plugin, manifest=manifest)


def _append_to_path(folder: Path) -> None:
    # At the end: a plugin from a folder must not shadow an installed package.
    text = str(folder.resolve())
    if text not in sys.path:
        sys.path.append(text)
        importlib.invalidate_caches()


@contextmanager
def _running_foreign_code(target: str, label: str, manifest: Manifest) -> Iterator[None]:
    """Convert any exception of a plugin, even ``SystemExit``, to LoadError; re-raise Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        message = f"cannot load {label}: {type(error).__name__}: {_first_line(error)}."
        raise _load_error(message, target, manifest, _hint_for(error, manifest)) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"


def _load_error(message: str, target: str, manifest: Manifest, hint: str) -> LoadError:
    return LoadError(
        message,
        target=target,
        plugin=manifest.plugin,
        manifest=manifest.path,
        where=f"plugin {manifest.plugin}, target {target}",
        hint=hint,
    )


def _hint_for(error: BaseException, manifest: Manifest) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        for text in manifest.requires:
            if text.lower().replace("-", "_").startswith(missing.lower()):
                return f'pip install "{text}" (listed in its manifest).'
        if missing == manifest.package:
            return _hint_near_module(error.name, manifest)
        return f"install what provides {missing!r}; the plugin's manifest does not list it."
    if isinstance(error, SystemExit):
        return "report it to the plugin's author: an import must not end the program."
    return "the traceback that --debug shows names the line; report it to the plugin's author."


def _hint_near_module(name: str, manifest: Manifest) -> str:
    """Return the hint for a module that the plugin's own package does not have."""
    files = (file.relative_to(manifest.folder) for file in manifest.folder.rglob("*.py"))
    names = sorted(
        file.with_suffix("").as_posix().replace("/", ".")
        for file in files
        if file.name != "__init__.py"
    )
    near = near_names(name.removeprefix(f"{manifest.package}."), names)
    has = ", ".join(names[:8]) or "no modules"
    return hint_near([f"{manifest.package}.{one}" for one in near], f"its package has {has}.")


def _check_folder(module: ModuleType, target: str, manifest: Manifest) -> None:
    """Check that the imported module belongs to the manifest and is not a namesake."""
    package = sys.modules[module.__name__.partition(".")[0]]
    folder = manifest.folder.resolve()
    places = [os.path.realpath(place) for place in getattr(package, "__path__", ())]
    if getattr(package, "__file__", None) is None and str(folder) in places:
        message = f"cannot use plugin {manifest.plugin!r}: its package has no __init__.py."
        hint = f"add {folder / '__init__.py'} with the line: import zoo"
        raise _load_error(message, target, manifest, hint)
    for imported in (package, module):
        file = getattr(imported, "__file__", None)
        if file is None or not Path(file).resolve().is_relative_to(folder):
            found = file or "a namespace package"
            message = (
                f"cannot use plugin {manifest.plugin!r}: {imported.__name__} was imported from "
                f"{found}, expected a file in {folder}."
            )
            raise ConflictError(
                message,
                first=str(found),
                second=str(manifest.path),
                plugin=manifest.plugin,
                hint=f"uninstall or remove the other package {package.__name__}.",
            )
