# SPDX-License-Identifier: Apache-2.0
"""An old config with its bases merged, by the rules of mmcv 1.x."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, parse_json, read_file, read_text
from zoo.errors import ConfigError
from zoo_openmmlab_migration.reading.interpreter import Interpreter, NotData
from zoo_openmmlab_migration.reading.new_bases import NewBase, find_new_bases, lowered

__all__ = ["OldConfig", "merge", "read_config", "read_config_text"]

_OF_ZOO = "zoo::"

_SUFFIXES = (".py", ".json")
_LIMITS = Limits(size_bytes=4_000_000)
_MOST_BASES = 30
"""Depth of a chain of bases."""


@dataclass(slots=True)
class OldConfig:
    """What a config and its bases say.

    Attributes:
        path: The file.
        values: Everything at the top level, with bases merged.
        files: The file and its bases, in the order in which they were read.
        used: Top-level names that the files read again, such as ``train_pipeline``.
        taken: Names of old bases that were not there -> the new config that was used in place.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    taken: dict[str, str] = field(default_factory=dict)


def read_config(path: Path) -> OldConfig:
    """Read a config and the bases that it names; none of their code is run.

    Args:
        path: A ``.py`` or ``.json``.

    Raises:
        ConfigError: A file cannot be read, is no Python, computes more than data, or names a base
            that is neither beside it nor known by its old name.
    """
    found = OldConfig(path)
    found.values = _read(path, found, ())
    return found


def read_config_text(path: Path, text: str) -> OldConfig:
    """Read the text of a whole config, as old checkpoints carry it; none of its code is run.

    Args:
        path: The file that the text was found in, for messages.
        text: Python without bases.

    Raises:
        ConfigError: It is no Python, or computes more than data.
    """
    found = OldConfig(path, files=[path])
    found.values = merge(_evaluated(path, _parsed(path, text), {}, found), {})
    return found


def _read(path: Path, found: OldConfig, chain: tuple[Path, ...]) -> dict[str, Any]:
    real = Path(os.path.realpath(path))
    if real in chain or len(chain) > _MOST_BASES:
        names = " -> ".join(file.name for file in (*chain, real))
        message = f"cannot read config {path.name!r}: it names itself in _base_: {names}."
        raise ConfigError(message, where=path, hint="remove one of them from _base_.")
    found.files.append(path)
    text = _text_of(path)
    if path.suffix == ".json":
        own, bases = _parsed_json(path, text), None
    else:
        own, bases = {}, _parsed(path, text)
    named = own.pop("_base_", []) if bases is None else _base_names(path, bases)
    base = _merged_bases(path, named, found, (*chain, real), text)
    if bases is not None:
        own = _evaluated(path, bases, base, found)
    return _checked_merge(own, base, path)


def _text_of(path: Path) -> str:
    if path.suffix not in _SUFFIXES:
        message = f"cannot read config {path.name!r}: it ends in {path.suffix!r}, "
        message += f"expected {' or '.join(_SUFFIXES)}."
        raise ConfigError(message, where=path, hint="write it as a .py config first.")
    try:
        return read_text(read_file(path, _LIMITS.size_bytes))
    except (OSError, DocumentError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot read config {path.name!r}: {reason}."
        raise ConfigError(message, where=path, hint="check the path and the file.") from error


def _parsed_json(path: Path, text: str) -> dict[str, Any]:
    try:
        values = parse_json(text.encode(), _LIMITS)
    except DocumentError as error:
        message = f"cannot read config {path.name!r}: {error}."
        raise ConfigError(message, where=path, hint="correct the JSON.") from error
    if not isinstance(values, dict):
        message = f"cannot read config {path.name!r}: it holds no names with values."
        raise ConfigError(message, where=path, hint="give a config.")
    return values


def _parsed(path: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text, str(path))
    except SyntaxError as error:
        message = f"cannot read config {path.name!r}: line {error.lineno}: {error.msg}."
        hint = "correct that line."
        raise ConfigError(message, where=f"{path}:{error.lineno}", hint=hint) from error
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"cannot read config {path.name!r}: it is not Python, or nested too deep."
        raise ConfigError(message, where=path, hint="give a config.") from error


def _base_names(path: Path, module: ast.Module) -> Any:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_" for target in statement.targets
        ):
            try:
                return ast.literal_eval(statement.value)
            except ValueError as error:
                message = f"cannot read config {path.name!r}: _base_ is not a list of texts."
                where = f"{path}:{statement.lineno}"
                hint = "write the paths of the bases as texts."
                raise ConfigError(message, where=where, hint=hint) from error
    return []


def _merged_bases(
    path: Path, named: Any, found: OldConfig, chain: tuple[Path, ...], text: str
) -> dict[str, Any]:
    names = [named] if isinstance(named, str) else [str(name) for name in named]
    missing = [name for name in names if "::" in name or not (path.parent / name).is_file()]
    stand_ins = find_new_bases(missing, text) if missing else {}
    merged: dict[str, Any] = {}
    for name in names:
        if name not in missing:
            base = _read(path.parent / name, found, chain)
        else:
            base = _stand_in(path, name, found, stand_ins.get(name))
        twice = sorted(merged.keys() & base.keys())
        if twice and not stand_ins:
            message = f"cannot read config {path.name!r}: two bases have the key {twice[0]!r}."
            raise ConfigError(message, where=path, hint="keep it in one of them.")
        merged = merge(base, merged)
    return merged


def _stand_in(path: Path, name: str, found: OldConfig, new: NewBase | None) -> dict[str, Any]:
    """Return a base that is not there, from the new config that it is called today."""
    if name.startswith(_OF_ZOO):
        message = (
            f"cannot migrate {path.name!r}: its base {name!r} is a config of zoo, so it is of "
        )
        message += "mmseg 1.x or mmdet 3.x, expected one of mmseg 0.x or mmdet 2.x."
        raise ConfigError(message, where=f"{path}, _base_", hint="use it as it is.")
    if new is None:
        message = f"cannot read config {path.name!r}: found no base {name!r}."
        hint = "put the old base where _base_ says; the old mmseg or mmdet has it."
        raise ConfigError(message, where=f"{path}, _base_", hint=hint)
    found.taken[name] = new.name
    inner = OldConfig(new.path)
    values = _read(new.path, inner, ())
    found.used |= inner.used
    return lowered(values)


def _evaluated(
    path: Path, module: ast.Module, base: Mapping[str, Any], found: OldConfig
) -> dict[str, Any]:
    texts = {
        "fileDirname": str(path.parent),
        "fileBasename": path.name,
        "fileBasenameNoExtension": path.stem,
        "fileExtname": path.suffix,
    }
    interpreter = Interpreter(base, texts)
    try:
        interpreter.run(module.body)
        values = {key: each for key, each in interpreter.values().items() if key != "_base_"}
    except NotData as error:
        message = f"cannot read config {path.name!r} as data: line {error.line}: {error.what}."
        hint = "write the value itself there; zoo migrate runs no code of a config."
        raise ConfigError(message, where=f"{path}:{error.line}", hint=hint) from error
    found.used |= interpreter.used
    return values


def _checked_merge(own: dict[str, Any], base: dict[str, Any], path: Path) -> dict[str, Any]:
    try:
        return merge(own, base)
    except TypeError as error:
        message = f"cannot merge config {path.name!r} with its bases: {error}."
        hint = "add _delete_=True to that dict, to replace what the base says."
        raise ConfigError(message, where=path, hint=hint) from error


def merge(own: Mapping[str, Any], base: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return a base with a config's own values laid over it, as mmcv 1.x merges.

    Args:
        own: Of the config; a dict with ``_delete_=True`` replaces the base's.
        base: Of the bases.
        where: The key so far, for the message.

    Raises:
        TypeError: A dict would be laid over another kind of value.
    """
    merged = dict(base)
    for key, value in own.items():
        place = f"{where}.{key}" if where else str(key)
        if not isinstance(value, Mapping):
            merged[key] = value
            continue
        is_whole = bool(value.get("_delete_", False))
        below = merged.get(key)
        rest = {name: item for name, item in value.items() if name != "_delete_"}
        if is_whole or key not in merged or below is None:
            merged[key] = merge(rest, {}, place)
        elif isinstance(below, Mapping):
            merged[key] = merge(rest, below, place)
        elif isinstance(below, list) and all(str(name).isdigit() for name in rest):
            merged[key] = _merged_list(rest, below, place)
        else:
            message = f"{place} is a dict, and {type(below).__name__} in the base"
            raise TypeError(message)
    return merged


def _merged_list(own: Mapping[Any, Any], base: list[Any], place: str) -> list[Any]:
    indexed = {str(number): item for number, item in enumerate(base)}
    merged = merge({str(key): value for key, value in own.items()}, indexed, place)
    return [merged[key] for key in sorted(merged, key=int)]
