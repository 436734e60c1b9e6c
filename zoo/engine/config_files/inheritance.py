# SPDX-License-Identifier: Apache-2.0
"""Bases of configs while mmengine reads them: found, merged by zoo's rules, and blamed by file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.engine.config_files.bases import find_base
from zoo.engine.config_files.laying_over import prepare
from zoo.engine.config_files.reasons import unreadable
from zoo.engine.patching import exchanged
from zoo.errors import ConfigError, ZooError
from zoo.files import expand_home

__all__ = ["inheriting"]


@contextmanager
def inheriting() -> Iterator[list[Path]]:
    """Let mmengine find ``zoo::`` bases, merge ``_data_`` and ``_edit_``, and name files at fault.

    Holds for a base in ``.py``, JSON or YAML, and for the bases of bases.

    Yields:
        The files that were read so far, bases before what builds on them.

    Raises:
        UnknownNameError: No plugin has a config of a base's name.
        ConfigError: Bases lead back to the file that names them, two bases have one key, a file
            cannot be read, or what it says does not fit its bases.
        PluginError: The plugin of a base cannot be used.
    """
    from mmengine.config import Config

    chain = _Chain()
    readers = {
        name: staticmethod(chain.reading(getattr(Config, name)))
        for name in ("_file2dict", "_parse_lazy_import")
    }
    finding = staticmethod(chain.finding(Config._get_cfg_path))
    merging = staticmethod(chain.merging(Config._merge_a_into_b))
    with exchanged(Config, _get_cfg_path=finding, _merge_a_into_b=merging, **readers):
        yield chain.files


@dataclass
class _Frame:
    """A file that is being read.

    Attributes:
        file: The file, without links.
        base: The base that is read next.
        owners: Key -> the base that has it.
    """

    file: Path
    base: Path | None = None
    owners: dict[str, Path] = field(default_factory=dict)


class _Chain:
    """The files that are being read: each is a base of the one before it."""

    def __init__(self) -> None:
        self.frames: list[_Frame] = []
        self.files: list[Path] = []
        self.is_merging = False

    def finding(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def find(cfg_path: Any, filename: str) -> tuple[str, str | None]:
            path, scope = find_base(cfg_path, Path(filename), original)
            if self.frames:
                self.frames[-1].base = _real(path)
            return path, scope

        return find

    def reading(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def read(filename: str, *args: Any, **kwargs: Any) -> Any:
            file = _real(filename)
            files = [frame.file for frame in self.frames]
            if file in files:
                raise _circle([*files[files.index(file) :], file])
            parent = self.frames[-1] if self.frames else None
            is_base = parent is not None and parent.base == file
            self.frames.append(_Frame(file))
            try:
                result = original(filename, *args, **kwargs)
            except ZooError:
                raise
            except Exception as error:  # reading a config is running its author's Python
                raise unreadable(error, Path(filename)) from error
            finally:
                self.frames.pop()
            self.files.append(file)
            if parent is not None and is_base:
                _claim(parent, file, result[0])
            return result

        return read

    def merging(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def merge(a: dict[str, Any], b: dict[str, Any], allow_list_keys: bool = False) -> Any:
            if allow_list_keys or self.is_merging or not self.frames:
                return original(a, b, allow_list_keys)
            self.is_merging = True
            try:
                return original(*prepare(a, b, original))
            except ZooError as error:
                error.where = f"{error.where} in {self.frames[-1].file}"
                raise
            finally:
                self.is_merging = False

        return merge


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(expand_home(path)))


def _claim(parent: _Frame, base: Path, keys: Mapping[str, Any]) -> None:
    """Raise for a key that an earlier base of the same file has; mmengine merges none of them."""
    twice = [key for key in keys if key in parent.owners]
    if twice:
        first = parent.owners[twice[0]]
        message = f"cannot read config {parent.file.name!r}: two of its bases have "
        message += f"{', '.join(map(repr, twice[:5]))}: {first.name} and {base.name}."
        hint = "name one of them as a base of the other, or leave one out."
        raise ConfigError(message, where=f"_base_ of {parent.file}", hint=hint)
    parent.owners |= dict.fromkeys(keys, base)


def _circle(files: list[Path]) -> ConfigError:
    names = " -> ".join(file.name for file in files)
    message = f"cannot read config {files[0].name!r}: it names itself in _base_: {names}."
    hint = f"remove {files[-1].name!r} from the _base_ of {files[-2].name!r}."
    return ConfigError(message, where=files[-2], hint=hint)
