# SPDX-License-Identifier: Apache-2.0
"""Find and parse a config by path, catalog name or ``package::path``; nothing is installed."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.config_files.bases import PREFIX, find_catalog_config, following_bases
from zoo.engine.config_files.strangers import naming_foreign
from zoo.errors import ConfigError, UnknownNameError, ZooError
from zoo.files import expand_home
from zoo.names import hint_near, near_names

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["find_config_file", "parse_config_file"]

_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def find_config_file(name_or_path: str | Path) -> Path:
    """Return the file of a path, a catalog name or ``mmseg::unet/x.py``.

    An existing file takes precedence. ``package::path`` looks into the ``.mim/configs`` folder
    of an installed OpenMMLab package, ``zoo::NAME`` into the catalog.

    Args:
        name_or_path: The CONFIG argument.

    Returns:
        The path of an existing file.

    Raises:
        UnknownNameError: No file or config has that name; near ones are offered.
        ConfigError: The file exists without a config's suffix; or it is a folder.
    """
    text = str(name_or_path)
    path = expand_home(text)
    if os.path.isfile(path):
        return _with_known_suffix(path)
    if text.startswith(PREFIX):
        return find_catalog_config(text)
    if "::" in text:
        return _find_in_package(text)
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

    Configs and bases from outside zoo and its plugins are logged before they are read.

    Args:
        path: A ``.py``, ``.json`` or ``.yaml`` config.

    Raises:
        ConfigError: The file, or a base of it, cannot be read; ``__cause__`` says why. Or it comes
            from outside, and ``ZOO_NO_FOREIGN_CODE`` refuses it.
    """
    from mmengine.config import Config

    try:
        with following_bases(), naming_foreign(), warnings.catch_warnings():
            # mmengine reloads pkg_resources for each `package::` base, which warns each time.
            warnings.filterwarnings("ignore", message=".*pkg_resources", category=UserWarning)
            return Config.fromfile(path)
    except ZooError as error:
        error.where = error.where or str(path)
        raise
    except SyntaxError as error:
        message = f"cannot read config {path.name!r}: line {error.lineno}: {error.msg}."
        raise ConfigError(message, where=_where(path, error), hint="fix that line.") from error
    except SystemExit as error:
        if isinstance(error.code, str):
            raise  # the author's own message, printed by Python
        message = f"cannot read config {path.name!r}: its code ends the process "
        message += f"with exit code {error.code or 0}."
        raise ConfigError(message, where=path, hint=_hint_for(error)) from error
    except Exception as error:  # running a config is running its author's Python
        message = f"cannot read config {path.name!r}: {_text_of(path, error)}."
        raise ConfigError(message, where=path, hint=_hint_for(error)) from error


def _where(path: Path, error: SyntaxError) -> str:
    """Return the file and line; mmengine parses bases from text, so their name is lost."""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError:
        return f"{path}:{error.lineno}"
    return f"a file that {path} names in _base_, line {error.lineno}"


def _text_of(path: Path, error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if path.suffix != ".py" and isinstance(error, AttributeError):
        # mmengine takes for granted that a file of data is a mapping, with names for its keys.
        return "expected names with values at its top level, and in each base"
    # mmengine wraps a failed custom import into a page about sys.path.
    shown = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    return f"{type(shown).__name__}: {shown}".rstrip(".: ")


def _hint_for(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "a file that it names in _base_ is missing; add it, or correct the path."
    if isinstance(error, ImportError):
        return "install what it imports, or remove that import."
    if isinstance(error, RecursionError):
        return "nest less."
    return "fix the file, or a file that it names in _base_; --debug shows where it fails."


def _with_known_suffix(path: Path) -> Path:
    if path.suffix not in _SUFFIXES:
        message = f"cannot use {path.name!r} as a config: it ends in {path.suffix!r}, "
        message += f"expected one of {', '.join(_SUFFIXES)}."
        raise ConfigError(message, where=path, hint="give the config first, then the checkpoint.")
    return path


def _find_in_package(text: str) -> Path:
    package, _, inside = text.partition("::")
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:  # as of `__main__`
        spec = None
    if spec is None or not spec.submodule_search_locations:
        message = f"no package {package!r} is installed, so there is no config {text!r}."
        hint = "install that package, or give the path of a config."
        raise UnknownNameError(message, kind="config", name=text, hint=hint)
    folders = [Path(place) / ".mim" / "configs" for place in spec.submodule_search_locations]
    for folder in folders:
        for candidate in (folder / inside, folder / f"{inside}.py"):
            if os.path.isfile(candidate):
                return candidate
    known = [file.relative_to(folder).as_posix() for folder in folders for file in _tree(folder)]
    near = [f"{package}::{name}" for name in near_names(inside, known)]
    message = f"no config {inside!r} in the package {package!r}"
    raise _unknown(message, text, near)


def _tree(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


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
