# SPDX-License-Identifier: Apache-2.0
"""Plugins in which a listing found no fault, and whose files and environment are as they were.

Reading the code of all plugins takes longer than the rest of a listing. ``plugins.json`` in the
state folder keeps a stamp of each plugin without a fault; another stamp, or none, and it is read.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import zoo.checking
import zoo.cli.diagnosis
from zoo.documents import DocumentError, Limits, read_json
from zoo.files import open_whole
from zoo.folders import state_folder
from zoo.version import __version__

__all__ = ["keep_stamps", "known_stamps", "stamp_of"]

_NAME = "plugins.json"
_LIMITS = Limits(size_bytes=2**22, values=20_000, depth=2)
_MOST_FILES = 5_000
_METADATA_SUFFIXES = (".dist-info", ".egg-info")


def known_stamps() -> dict[str, str]:
    """Return folder of a package -> its stamp when nothing was wrong; empty if none are kept."""
    path = _file()
    try:
        stamps = {} if path is None else read_json(path, _LIMITS)
    except (OSError, DocumentError):
        return {}
    pairs = stamps.items() if isinstance(stamps, dict) else ()
    return {package: stamp for package, stamp in pairs if isinstance(stamp, str)}


def keep_stamps(stamps: dict[str, str]) -> None:
    """Keep stamps for the next listing; a state folder that cannot be written keeps none.

    Args:
        stamps: As `known_stamps` returns them. Those of folders that are gone are left out.
    """
    path = _file()
    if path is None:
        return
    kept = {key: each for key, each in stamps.items() if os.path.isdir(key)}
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with suppress(OSError), open_whole(path, staged, "w", is_durable=False) as stream:
        json.dump(kept, stream)


def stamp_of(package: Path) -> str | None:
    """Return what changes with any file of a package, of zoo's rules, or of what is installed.

    Args:
        package: The folder of the package.

    Returns:
        The stamp; None if it has too many files, or they cannot be looked at.
    """
    try:
        own = _stamp(_files_in(os.fspath(package)))
        return None if own is None else f"{own} {_surroundings()}"
    except OSError:
        return None


@cache
def _surroundings() -> str:
    """Return what changes with the rules and with what they compare a plugin with."""
    rules = [path for room in (zoo.checking, zoo.cli.diagnosis) for path in room.__path__]
    found = _stamp(file for folder in rules for file in _files_in(folder))
    installed = _stamp(file for folder in dict.fromkeys(sys.path) for file in _metadata_in(folder))
    return f"{__version__} {sys.prefix} {sys.version} {found} {installed}"


def _stamp(files: Iterator[str]) -> str | None:
    """Return a stamp of the names, sizes and times of some files, or None if there are too many."""
    seen, digest = 0, 0
    for path in files:
        seen += 1
        if seen > _MOST_FILES:
            return None
        status = os.stat(path)
        state = (path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        digest = zlib.crc32(repr(state).encode("utf-8", "surrogatepass"), digest)
    return f"{seen}-{digest:08x}"


def _files_in(folder: str) -> Iterator[str]:
    """Yield every file of a folder that can be read as code or data, in a stable order."""
    for inner, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        yield from (os.path.join(inner, each) for each in sorted(files))


def _metadata_in(folder: str) -> Iterator[str]:
    """Yield the files that say which version of a distribution is installed."""
    try:
        names = sorted(os.listdir(folder or os.curdir))
    except OSError:
        return
    for name in (name for name in names if name.endswith(_METADATA_SUFFIXES)):
        for file in ("METADATA", "PKG-INFO", ""):
            path = os.path.join(folder, name, file)
            if os.path.lexists(path):
                yield path
                break


def _file() -> Path | None:
    folder = state_folder()
    return None if folder is None else folder / _NAME
