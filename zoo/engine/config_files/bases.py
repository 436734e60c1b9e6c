# SPDX-License-Identifier: Apache-2.0
"""``_base_ = ["zoo::NAME"]``: a config of any plugin, wherever it is, as the base of another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo.engine.patching import exchanged
from zoo.errors import ConfigError, ZooError
from zoo.files import expand_home

if TYPE_CHECKING:
    from zoo.manifest.rows import ConfigRow

__all__ = ["PREFIX", "find_catalog_config", "following_bases"]

PREFIX = "zoo::"
_PYTHON = ".py"


def find_catalog_config(name: str) -> Path:
    """Return the file of a config in the catalog.

    Args:
        name: ``NAME``, ``PLUGIN.NAME`` or ``PLUGIN/NAME``, with or without ``.py``, and with
            ``zoo::`` before it or not.

    Raises:
        UnknownNameError: No plugin has a config of that name; near names are offered.
        PluginError: Its plugin cannot be used, or two plugins have it.
    """
    from zoo.catalog import read_catalog

    plain = name.removeprefix(PREFIX).removesuffix(_PYTHON)
    found = read_catalog().find_config(plain.replace("/", ".", 1))
    return found.record.file(cast("ConfigRow", found.row).file)


@contextmanager
def following_bases() -> Iterator[None]:
    """Let mmengine find ``zoo::`` bases in the catalog, and refuse a config that is its own base.

    Holds for a base in ``.py``, JSON or YAML, and for the bases of bases.

    Raises:
        UnknownNameError: No plugin has a config of a base's name.
        ConfigError: Bases lead back to the file that names them.
    """
    from mmengine.config import Config

    chain: list[Path] = []
    readers = {
        name: staticmethod(_refusing_circles(getattr(Config, name), chain))
        for name in ("_file2dict", "_parse_lazy_import")
    }
    finding = staticmethod(_finding(Config._get_cfg_path))
    with exchanged(Config, _get_cfg_path=finding, **readers):
        yield


def _finding(original: Callable[..., Any]) -> Callable[..., Any]:
    def find(cfg_path: Any, filename: str) -> Any:
        if not isinstance(cfg_path, str) or not cfg_path.startswith(PREFIX):
            return original(cfg_path, filename)
        try:
            # No scope: its types name their own, as in a base beside the file.
            return str(find_catalog_config(cfg_path)), None
        except ZooError as error:
            error.where = f"_base_ of {filename}"
            raise

    return find


def _refusing_circles(original: Callable[..., Any], chain: list[Path]) -> Callable[..., Any]:
    def read(filename: str, *args: Any, **kwargs: Any) -> Any:
        file = Path(os.path.realpath(expand_home(filename)))
        if file in chain:
            raise _circle([*chain[chain.index(file) :], file])
        chain.append(file)
        try:
            return original(filename, *args, **kwargs)
        finally:
            chain.pop()

    return read


def _circle(files: list[Path]) -> ConfigError:
    names = " -> ".join(file.name for file in files)
    message = f"cannot read config {files[0].name!r}: it names itself in _base_: {names}."
    hint = f"remove {files[-1].name!r} from the _base_ of {files[-2].name!r}."
    return ConfigError(message, where=files[-2], hint=hint)
