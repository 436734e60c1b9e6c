# SPDX-License-Identifier: Apache-2.0
"""Which configs are strangers', and the line that says so before one is run."""

from __future__ import annotations

import logging
import sysconfig
from collections.abc import Iterator
from pathlib import Path

__all__ = ["is_foreign", "warn_of_foreign"]

_LOG = logging.getLogger("zoo")
_WARNED: set[Path] = set()


def warn_of_foreign(path: Path) -> None:
    """Log one line that names a config which is code and came with neither zoo nor a plugin.

    Each file is named once in a process.

    Args:
        path: A config that is about to be read.
    """
    file = path.resolve()
    if path.suffix == ".py" and file not in _WARNED and is_foreign(file):
        _WARNED.add(file)
        _LOG.warning("running the config %s: it is Python; use those of people you trust", path)


def is_foreign(path: Path) -> bool:
    """Return whether a config lies outside of what was installed, of zoo and of its plugins.

    Installed packages (upstream's configs lie in theirs), the source checkout and every plugin that
    the catalog finds are code that the user chose to run already. A work dir is not: its config
    is whatever the folder's maker left there.
    """
    file = path.resolve()
    return not any(file.is_relative_to(folder) for folder in _known_folders())


def _known_folders() -> Iterator[Path]:
    from zoo.catalog import read_catalog
    from zoo.discovery import find_checkouts

    for name in ("purelib", "platlib"):
        yield Path(sysconfig.get_path(name)).resolve()
    for checkout in find_checkouts():
        yield from (checkout / "configs", checkout / "plugins")
    for record in read_catalog().plugins:
        if record.path is not None:
            yield record.path.parent.resolve()
