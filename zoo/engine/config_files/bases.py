# SPDX-License-Identifier: Apache-2.0
"""``_base_ = ["zoo::NAME"]``: which file a base is, and what is wrong with one that is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo.engine.config_files.packages import find_in_package
from zoo.errors import ConfigError, ConflictError, UnknownNameError, ZooError
from zoo.files import expand_home
from zoo.names import hint_near, near_names
from zoo.texts import shown

if TYPE_CHECKING:
    from zoo.catalog import PluginRecord
    from zoo.manifest.rows import BaseRow, ConfigRow

__all__ = ["PREFIX", "find_base", "find_catalog_config"]

PREFIX = "zoo::"
_PYTHON = ".py"
_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def find_catalog_config(name: str) -> Path:
    """Return the file of a config, or of a base of configs, in the catalog.

    Args:
        name: ``NAME``, ``PLUGIN.NAME`` or ``PLUGIN/NAME``, with or without ``.py``, and with
            ``zoo::`` before it or not.

    Raises:
        UnknownNameError: No plugin has a config of that name; near names are offered, or how to
            install its plugin.
        PluginError: Its plugin cannot be used, or two plugins have it.
    """
    from zoo.catalog import read_catalog

    plain = name.removeprefix(PREFIX).removesuffix(_PYTHON)
    try:
        found = read_catalog().find_base(plain.replace("/", ".", 1))
    except ConflictError as error:
        if not name.startswith(PREFIX) or "/" in plain or "." in plain:
            raise
        raise _ambiguous(error, plain) from error
    except UnknownNameError as error:
        broken = [each.name for each in read_catalog().plugins if each.manifest is None]
        if broken and not error.near and "/" not in plain and "." not in plain:
            error.hint = f"correct the name; or {', '.join(broken)} may have it, which cannot be "
            error.hint += "used: `zoo plugin list` says why."
        raise
    return found.record.file(cast("ConfigRow | BaseRow", found.row).file)


def find_base(
    base: Any, file: Path, find_upstream: Callable[[Any, str], tuple[str, str | None]]
) -> tuple[str, str | None]:
    """Return the file of one base, and the scope of its types, as mmengine asks for them.

    Args:
        base: An item of ``_base_``.
        file: The config that names it.
        find_upstream: mmengine's own search, for paths and ``package::path``.

    Raises:
        UnknownNameError: No plugin or package has a config of that name.
        ConfigError: It is no text, or not the path of a file.
        PluginError: Its plugin cannot be used, or two plugins have it.
    """
    try:
        if not isinstance(base, str):
            message = f"cannot read config {file.name!r}: a base is {shown(base)}, expected a text."
            hint = "write _base_ as a text, or as a list of texts."
            raise ConfigError(message, hint=hint)
        if base.startswith(PREFIX):
            # No scope: its types name their own, as in a base beside the file.
            return str(_of_catalog(base)), None
        if "::" in base:
            return _of_package(base, file, find_upstream)
        path, scope = find_upstream(base, str(file))
        if not os.path.isfile(expand_home(path)):
            raise _missing(base, Path(path), file)
    except ZooError as error:
        error.where = f"_base_ of {file}"
        raise
    return path, scope


def _of_catalog(base: str) -> Path:
    """Return the file of ``zoo::NAME``; near names are offered as ``_base_`` takes them."""
    try:
        return find_catalog_config(base)
    except UnknownNameError as error:
        if error.near:
            error.hint = hint_near([f"{PREFIX}{near}" for near in error.near], "")
        raise


def _of_package(
    base: str, file: Path, find_upstream: Callable[[Any, str], tuple[str, str | None]]
) -> tuple[str, str | None]:
    """Look where a package has its configs; mmengine would read all model cards of it first."""
    try:
        return str(find_in_package(base)), base.partition("::")[0]
    except UnknownNameError as unknown:
        try:  # by the name under which the package is distributed
            path, scope = find_upstream(base, str(file))
        except Exception as error:  # mmengine names no file, and raises what its parts raise
            raise unknown from error
        if not os.path.isfile(path):
            raise
        return path, scope


def _ambiguous(error: ConflictError, plain: str) -> ConflictError:
    """Return the error with what to write in ``_base_``."""
    plugins = [label.rpartition(" ")[2] for label in (error.first, error.second)]
    new = copy(error)
    new.hint = f"write {' or '.join(f'{PREFIX}{plugin}/{plain}' for plugin in plugins)}."
    return new


def _missing(base: str, path: Path, file: Path) -> ConfigError:
    """Return the error for a base that is no file: a mistyped path, or a package without it."""
    message = f"cannot read config {file.name!r}: its base {base!r} is not a file."
    owner = _installed_owner_of(file)
    if owner is not None:
        hint = f"the plugin {owner.name} lacks it: reinstall it; if that does not help, its author "
        hint += f"must list {os.path.normpath(base)!r} in the package data."
        return ConfigError(message, hint=hint)
    folder = path.parent
    siblings = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    near = near_names(path.name, [each for each in siblings if each.endswith(_SUFFIXES)])
    offered = [f"{os.path.dirname(base)}/{each}".lstrip("/") for each in near]
    return ConfigError(message, hint=hint_near(offered, _as_name(base)))


def _as_name(base: str) -> str:
    """Return the hint for a path that may be a name."""
    from zoo.catalog import read_catalog

    plain = Path(base).name.removesuffix(_PYTHON)
    if any(found.row.kind in ("config", "base") for found in read_catalog().named(plain)):
        return f"write {PREFIX}{plain}, which is a config of a plugin."
    return "correct the path, which starts at the folder of the config, or write zoo::NAME."


def _installed_owner_of(file: Path) -> PluginRecord | None:
    """Return the plugin in whose package a config lies, if it was installed from a wheel."""
    from zoo.catalog import read_catalog

    for record in read_catalog().plugins:
        folder = record.path and record.path.parent.resolve()
        if record.is_importable and folder and file.resolve().is_relative_to(folder):
            return None if (folder.parent / "pyproject.toml").is_file() else record
    return None
