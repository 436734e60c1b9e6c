# SPDX-License-Identifier: Apache-2.0
"""The folders that zoo writes to, and what it keeps in them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import line_of, shown
from zoo.errors import DownloadError
from zoo.folders import cache_root
from zoo.texts import counted

__all__ = ["folder_findings"]

_LOW_BYTES = 2 * 10**9
"""A run keeps checkpoints of some hundred MB each."""
_LOW_TEMPORARY_BYTES = 2 * 10**8
_OTHER_CACHE = "export ZOO_CACHE=FOLDER, with a folder that you may write to"
_OTHER_STATE = "export XDG_STATE_HOME=FOLDER, with a folder that you may write to"
_OTHER_TEMPORARY = "export TMPDIR=FOLDER, with a folder that you may write to"
_DAY_S = 86_400.0


def folder_findings() -> Iterator[Finding]:
    """Yield whether weights, runs and temporary files can be written, and what is left over."""
    from zoo.weights import cache_folder

    try:
        cache = cache_folder()
    except DownloadError as error:
        yield Finding("cache", "broken", error.message, shown(_OTHER_CACHE))
    else:
        yield _folder("cache", cache, _OTHER_CACHE, cost="; no weights can be fetched")
        yield from _left_over()
        yield from _manifests()
    yield from _temporary()
    try:
        here = Path.cwd()
    except OSError:
        mend = shown("cd to another folder")
        yield Finding("folder", "warning", "the current folder is gone", mend)
        return
    yield _folder("folder", here, "cd to a folder that you may write to, or give --work-dir")


def _temporary() -> Iterator[Finding]:
    try:
        folder = Path(tempfile.gettempdir())
    except OSError as error:  # none of the usual ones can be written
        found = f"no folder for temporary files can be written ({error.strerror or error})"
        yield Finding("temp folder", "broken", found, shown(_OTHER_TEMPORARY))
        return
    named = os.environ.get("TMPDIR")
    if named and Path(named).absolute() != folder.absolute():
        found = f"TMPDIR is {named}, which cannot be written; {folder} is used"
        yield Finding("temp folder", "warning", found, shown(_OTHER_TEMPORARY))
        return
    yield _folder("temp folder", folder, _OTHER_TEMPORARY, low_bytes=_LOW_TEMPORARY_BYTES)


def _left_over() -> Iterator[Finding]:
    """Yield downloads that were never finished, and locks that cannot be taken."""
    from zoo.weights import find_cached
    from zoo.weights.cache import lock_path

    try:
        files = find_cached()
    except DownloadError as error:
        yield Finding("cache", "broken", error.message, shown(_OTHER_CACHE))
        return
    parts = [found for found in files if found.is_part]
    old = [found for found in parts if _age_s(found.path) > _DAY_S]
    if old:
        size = sum(found.size_bytes for found in old) / 1e6
        found = f"{counted(len(old), 'download')} of {size:,.1f} MB stopped more than a day ago; "
        found += "downloading the same weights again continues it"
        yield Finding("downloads", "warning", found, shown("zoo cache prune"))
    locks = {lock_path(found.path.with_name(found.name)) for found in files}
    for lock in sorted(lock for lock in locks if os.path.lexists(lock)):
        if not lock.is_file() or not os.access(lock, os.W_OK):
            found = f"the lock {lock} cannot be taken, so its file cannot be fetched"
            words = ["rm", "-r", str(lock)] if lock.is_dir() else ["rm", str(lock)]
            yield Finding("cache", "warning", found, shown(line_of(words)))


def _manifests() -> Iterator[Finding]:
    """Yield a folder that cannot be written, so that nothing is kept of what manifests say."""
    from zoo.catalog.readings.kept import Readings

    for folder in Readings().places:
        error = _refusal(folder)
        if error is not None:
            found = f"{folder} cannot be written: {error.strerror or error}; "
            found += "each listing reads all manifests anew"
            mend = shown(_OTHER_CACHE if cache_root() in folder.parents else _OTHER_STATE)
            yield Finding("manifests", "warning", found, mend)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # finished meanwhile
        return 0.0


def _folder(
    name: str, folder: Path, line: str, *, low_bytes: int = _LOW_BYTES, cost: str = ""
) -> Finding:
    """Return whether a folder is writable, and has some space left."""
    place = _place(folder)
    error = _refusal(folder)
    if error is not None:
        # A team may share a read-only cache, and a run may be written elsewhere.
        is_served = name != "cache" or any(folder.glob("*/*"))
        state = "warning" if is_served and place.is_dir() else "broken"
        found = f"{folder} cannot be written: {error.strerror or error}{cost}"
        return Finding(name, state, found, shown(line))
    free_bytes = shutil.disk_usage(place).free
    found = f"{folder}, {free_bytes / 1e9:,.1f} GB free"
    if free_bytes < low_bytes:
        return Finding(name, "warning", found, shown("free some space on that disk"))
    return Finding(name, "ok", found)


def _place(folder: Path) -> Path:
    """Return the folder, or the one that exists in which it would be made."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


def _refusal(folder: Path) -> OSError | None:
    """Return why nothing can be written in a folder, tested with a temporary file."""
    try:
        with tempfile.TemporaryFile(dir=_place(folder)) as stream:
            stream.write(b"zoo")
            stream.flush()
    except OSError as error:
        return error
    return None
