# SPDX-License-Identifier: Apache-2.0
"""A config as a row of a lock: a name without a place on a disk, and one digest of its content."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.catalog import read_catalog
from zoo.engine.config_files.files import find_config_file, parse_with_files
from zoo.engine.config_parts.tree import iterate_dicts
from zoo.errors import ConfigError, UnknownNameError
from zoo.files import expand_home
from zoo.weights.lock_file.team import LockedConfig

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["Described", "describe_config", "is_config", "locked_name"]


class Described(NamedTuple):
    """A row of a lock, and the plugins whose types or files the config uses.

    Attributes:
        row: The row.
        plugins: Names of plugins.
    """

    row: LockedConfig
    plugins: frozenset[str]


def locked_name(name: str, lock_folder: Path) -> str:
    """Return how a lock calls a config: ``plugin.name``, ``package::path``, or a relative path.

    Args:
        name: What the user calls it.
        lock_folder: Folder of the lock file, from which paths are written.

    Raises:
        UnknownNameError: No config has that name.
        ConfigError: It is a file outside the folder of the lock.
        PluginError: Its plugin cannot be used.
    """
    if not expand_home(name).is_file() and not (lock_folder / name).is_file():
        if "::" in name and not name.startswith("zoo::"):
            return name
        plain = name.removeprefix("zoo::").removesuffix(".py").replace("/", ".", 1)
        found = read_catalog().find_config(plain)
        return f"{found.record.name}.{found.row.name}"
    file = expand_home(name) if expand_home(name).is_file() else lock_folder / name
    inside, folder = file.resolve(), lock_folder.resolve()
    if not inside.is_relative_to(folder):
        message = f"cannot lock the config {name!r}: it is not below the folder of the lock, so "
        message += "others would not find it."
        hint = "name a lock in the project with ZOO_LOCK, as ZOO_LOCK=zoo.lock."
        raise ConfigError(message, where=f"{inside}, {folder}", hint=hint)
    return inside.relative_to(folder).as_posix()


def describe_config(name: str, lock_folder: Path) -> Described:
    """Return a config as a lock states it, with all bases resolved.

    Args:
        name: A name as `locked_name` returns it.
        lock_folder: Folder of the lock file.

    Raises:
        UnknownNameError: There is no such config.
        ConfigError: It cannot be read, or is a file elsewhere; a lock makes no such file run.
    """
    path = lock_folder / name
    is_file = path.is_file()
    _check_inside(name, path, lock_folder, is_file=is_file)
    path = path if is_file else find_config_file(_typed(name))
    config, files = parse_with_files(path)
    text = json.dumps(_plain(config.to_dict()), sort_keys=True, default=_named)
    text = text.replace(json.dumps(str(path.resolve().parent))[1:-1], "{folder}")
    owner = frozenset() if is_file or "::" in name else frozenset({name.partition(".")[0]})
    row = LockedConfig(name, hashlib.sha256(text.encode()).hexdigest())
    return Described(row, owner | _plugins_named(config) | _plugins_holding(files))


def _check_inside(name: str, path: Path, lock_folder: Path, *, is_file: bool) -> None:
    """Refuse a row that names a file outside the folder of the lock, or outside its package."""
    if is_file:
        is_inside = path.resolve().is_relative_to(lock_folder.resolve())
    else:
        inner = PurePath(name.partition("::")[2])
        is_inside = not (inner.is_absolute() or ".." in inner.parts)
    if not is_inside:
        message = f"cannot compare the config {name!r}: it is a file outside the folder of the "
        message += "lock, and is not run."
        hint = f"remove the row of {name!r} from the lock."
        raise ConfigError(message, where=lock_folder, hint=hint)


def _typed(name: str) -> str:
    """Return a name of a lock as `find_config_file` takes it."""
    return name if "::" in name else f"zoo::{name}"


def _plain(value: Any) -> Any:
    """Return nested values whose keys are texts, as JSON needs them to sort."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else value


def _named(value: Any) -> str:
    """Return a class, a function or another object without its address in memory."""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _plugins_named(config: Config) -> frozenset[str]:
    """Return the plugins of the types ``zoo.<plugin>.<Name>`` and ``zoo.<Name>``."""
    types = {str(node.get("type")) for _, node in iterate_dicts(config._cfg_dict)}
    found: set[str] = set()
    rows = [each for each in read_catalog().rows() if hasattr(each.row, "target")]
    for name in types:
        if name.startswith("zoo."):
            found |= {each.record.name for each in rows if each.is_called(name[len("zoo.") :])}
    return frozenset(found)


def _plugins_holding(files: tuple[Path, ...]) -> frozenset[str]:
    """Return the plugins in whose packages a config or a base of it lies."""
    folders = {each.name: each.path.parent for each in read_catalog().plugins if each.path}
    return frozenset(
        name
        for name, folder in folders.items()
        if any(file.is_relative_to(folder.resolve()) for file in files)
    )


def is_config(name: str, lock_folder: Path) -> bool:
    """Return whether a name is that of a config.

    Args:
        name: What the user wrote.
        lock_folder: Folder of the lock file.
    """
    try:
        locked_name(name, lock_folder)
    except UnknownNameError:
        return False
    return True
