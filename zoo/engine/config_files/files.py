# SPDX-License-Identifier: Apache-2.0
"""Find and parse a config by path, catalog name or ``package::path``; nothing is installed."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.config_files.bases import PREFIX, find_catalog_config
from zoo.engine.config_files.inheritance import inheriting
from zoo.engine.config_files.laying_over import check_resolved
from zoo.engine.config_files.packages import find_in_package
from zoo.engine.config_files.reasons import unreadable
from zoo.engine.config_files.strangers import naming_foreign
from zoo.errors import ConfigError, UnknownNameError, ZooError
from zoo.files import expand_home
from zoo.names import hint_near, near_names

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["PREFIX", "find_config_file", "parse_config_file", "parse_with_files"]

_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def find_config_file(name_or_path: str | Path) -> Path:
    """Return the file of a path, a catalog name or ``mmseg::unet/x.py``.

    An existing file takes precedence over all but ``zoo::NAME``, which looks into the catalog.
    ``package::path`` looks into the ``.mim/configs`` folder of an installed OpenMMLab package.

    Args:
        name_or_path: The CONFIG argument.

    Returns:
        The path of an existing file.

    Raises:
        UnknownNameError: No file or config has that name; near ones are offered.
        ConfigError: The file exists without a config's suffix; or it is a folder.
    """
    text = str(name_or_path)
    if text.startswith(PREFIX):
        return find_catalog_config(text)
    path = expand_home(text)
    if os.path.isfile(path):
        return _with_known_suffix(path)
    if "::" in text:
        return find_in_package(text)
    if path.suffix in _SUFFIXES or "/" in text:
        raise _no_file(path) if os.path.isdir(path) else _unknown_path(path)
    try:
        return find_catalog_config(text)
    except UnknownNameError as error:
        if os.path.isdir(path):
            raise _no_file(path) from error
        raise


def parse_config_file(path: Path) -> Config:
    """Return the config of a file with its bases merged; a ``.py`` is run for it.

    Args:
        path: A ``.py``, ``.json`` or ``.yaml`` config.

    Raises:
        ConfigError: As `parse_with_files` raises it.
    """
    return parse_with_files(path)[0]


def parse_with_files(path: Path) -> tuple[Config, tuple[Path, ...]]:
    """Return the config of a file with its bases merged, and the files that it was read from.

    Configs and bases from outside zoo and its plugins are logged before they are read.

    Args:
        path: A ``.py``, ``.json`` or ``.yaml`` config.

    Raises:
        ConfigError: The file, or a base of it, cannot be read; ``__cause__`` says why. Or it comes
            from outside, and ``ZOO_NO_FOREIGN_CODE`` refuses it.
    """
    from mmengine.config import Config

    try:
        with inheriting() as files, naming_foreign(), warnings.catch_warnings():
            # mmengine reloads pkg_resources for each `package::` base, which warns each time.
            warnings.filterwarnings("ignore", message=".*pkg_resources", category=UserWarning)
            config = Config.fromfile(path)
        check_resolved(config._cfg_dict)
    except ZooError as error:
        error.where = error.where or str(path)
        raise
    except SystemExit as error:
        if isinstance(error.code, str):
            raise  # the author's own message, printed by Python
        raise unreadable(error, path) from error
    except Exception as error:  # running a config is running its author's Python
        raise unreadable(error, path) from error
    return config, tuple(files)


def _with_known_suffix(path: Path) -> Path:
    if path.suffix not in _SUFFIXES:
        message = f"cannot use {path.name!r} as a config: it ends in {path.suffix!r}, "
        message += f"expected one of {', '.join(_SUFFIXES)}."
        raise ConfigError(message, where=path, hint="give the config first, then the checkpoint.")
    return path


def _no_file(path: Path) -> ConfigError:
    message = f"cannot use {str(path)!r} as a config: it is a folder."
    hint = "give the .py in it; zoo test and zoo predict also accept a work dir."
    return ConfigError(message, where=path, hint=hint)


def _unknown_path(path: Path) -> UnknownNameError:
    parent = path.parent
    siblings = [entry.name for entry in parent.iterdir()] if os.path.isdir(parent) else []
    configs = [name for name in siblings if name.endswith(_SUFFIXES)]
    near = [str(parent / name) for name in near_names(path.name, configs)]
    return _unknown(f"no config file {str(path)!r}", str(path), near)


def _unknown(message: str, name: str, near: list[str]) -> UnknownNameError:
    hint = hint_near(near, "`zoo config list` shows the names.")
    message += "."
    return UnknownNameError(message, kind="config", name=name, near=near, hint=hint)
