# SPDX-License-Identifier: Apache-2.0
"""Which configs come from outside, and the line that says so before one is read.

A config of any suffix is code: a ``.py`` is run; a JSON or YAML config names what is imported and
called when it is built, and may have a ``.py`` among its bases.
"""

from __future__ import annotations

import logging
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.engine.config_files.own_configs import is_own
from zoo.engine.config_files.safe_yaml import read_yaml
from zoo.engine.patching import exchanged
from zoo.errors import ConfigError
from zoo.files import expand_home

__all__ = ["admit_config", "is_foreign", "is_foreign_code_refused", "naming_foreign"]

_LOG = logging.getLogger("zoo")
_ADMITTED: set[Path] = set()


@contextmanager
def naming_foreign() -> Iterator[None]:
    """Make mmengine ask `admit_config` before it reads a config or a base of one.

    This includes everything that reads configs inside the block: mmengine itself, and models that
    get their teacher's config. YAML is read as data: `zoo.engine.config_files.safe_yaml`.

    Raises:
        ConfigError: A config comes from outside, and ``ZOO_NO_FOREIGN_CODE`` refuses those.
    """
    from mmengine.config import Config
    from mmengine.fileio import YamlHandler

    readers = {
        name: staticmethod(_admitting(getattr(Config, name)))
        for name in ("_file2dict", "_parse_lazy_import")
    }
    with exchanged(Config, **readers), exchanged(YamlHandler, load_from_fileobj=_load_yaml):
        yield


def _admitting(original: Callable[..., Any]) -> Callable[..., Any]:
    def read(filename: str, *args: Any, **kwargs: Any) -> Any:
        admit_config(Path(filename))
        try:
            return original(filename, *args, **kwargs)
        except ConfigError as error:  # of a base, whose name its reader does not know
            error.where = error.where or str(filename)
            raise

    return read


def _load_yaml(_: Any, file: Any, **__: Any) -> Any:
    return read_yaml(file.read())


def admit_config(path: Path) -> None:
    """Log a config from outside zoo and its plugins, or refuse it.

    Each file is logged once per process.

    Args:
        path: A config that is about to be read.

    Raises:
        ConfigError: It comes from outside, and ``ZOO_NO_FOREIGN_CODE`` is set, but not to 0.
    """
    file = Path(os.path.realpath(expand_home(path)))
    if file in _ADMITTED or not file.is_file() or not is_foreign(file):
        return
    if is_foreign_code_refused():
        message = f"cannot use the config {path.name!r}: it runs code from outside zoo and its "
        message += "plugins, which ZOO_NO_FOREIGN_CODE refuses."
        hint = "read that file, and set ZOO_NO_FOREIGN_CODE=0 for this run if you trust it."
        raise ConfigError(message, where=path, hint=hint)
    _ADMITTED.add(file)
    if path.suffix == ".py":
        text = "running the config %s: it is Python; only use configs of people you trust"
    else:
        text = "using the config %s: it names code to run; only use configs of people you trust"
    _LOG.warning(text, path)


def is_foreign_code_refused() -> bool:
    """Return whether ``ZOO_NO_FOREIGN_CODE`` is set, but not to 0."""
    return os.environ.get("ZOO_NO_FOREIGN_CODE", "0") not in ("", "0")


def is_foreign(path: Path) -> bool:
    """Return whether a config comes from outside: not installed, and not of the user's own run.

    Installed packages (with upstream's configs), the source checkout and every plugin in the
    catalog are code that the user already chose to run. A work dir is not: its config is whatever
    the folder's author left there, unless this user's training wrote it.

    Args:
        path: A config.
    """
    file = path.resolve()
    is_known = any(file.is_relative_to(folder) for folder in _known_folders())
    return not is_known and not is_own(file)


def _known_folders() -> Iterator[Path]:
    from zoo.catalog import read_catalog
    from zoo.manifest.discovery import find_checkouts

    for name in ("purelib", "platlib"):
        yield Path(sysconfig.get_path(name)).resolve()
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        yield Path(folder).resolve()
    for checkout in find_checkouts():
        yield from (checkout / "configs", checkout / "plugins")
    for record in read_catalog().plugins:
        if record.path is not None:
            yield record.path.parent.resolve()
    yield from _upstream_folders(tuple(sys.path))


@cache
def _upstream_folders(_: tuple[str, ...]) -> tuple[Path, ...]:
    """Return upstream's configs where it is installed from a checkout: what `.mim/configs` links.

    It is asked for each config and each of its bases, and the packages that are not there are
    looked for in every folder of the path.
    """
    from mmengine.config.utils import MODULE2PACKAGE

    specs = (find_spec(package) for package in MODULE2PACKAGE)
    places = (place for spec in specs for place in (spec and spec.submodule_search_locations) or ())
    return tuple((Path(place) / ".mim" / "configs").resolve() for place in places)
