# SPDX-License-Identifier: Apache-2.0
"""Staging folders in the cache: each is locked by its process or is left over."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo import files
from zoo.errors import DownloadError
from zoo.weights.cache import cache_folder

__all__ = [
    "find_staged",
    "is_held",
    "keep_staged",
    "one_at_a_time",
    "remove_staged",
    "staging_folder",
]

_LOG = logging.getLogger("zoo")
_LOOK_S = 0.5  # a longer wait for another process is reported
_PREFIX = ".rescue-"
_LOCK = ".lock"


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a temporary folder on the disk of the cache.

    A killed process leaves its folder; the next call removes folders without a live process.

    Raises:
        DownloadError: The cache cannot be written.
    """
    from filelock import FileLock

    for left in find_staged():
        with suppress(OSError):  # another user's, in a shared cache
            remove_staged(left)
    cache = cache_folder()
    folder = cache / f"{_PREFIX}{secrets.token_hex(6)}"
    lock = FileLock(_lock_of(folder))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock.acquire()  # before the folder exists, so that nobody considers it left over
        folder.mkdir()
    except OSError as error:
        lock.release()
        raise _unwritable(cache, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        with suppress(OSError):
            _lock_of(folder).unlink()


def keep_staged(staged: Path, sha256: str, name: str) -> Path:
    """Move a file of a staging folder into the cache, and return its new path.

    Args:
        staged: The complete file, already flushed to disk.
        sha256: Its digest, 64 hex digits, lower case.
        name: File name in the cache, with suffix.

    Raises:
        DownloadError: The cache cannot be written.
    """
    target = cache_folder() / sha256 / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    return target


@contextmanager
def one_at_a_time(key: str) -> Iterator[None]:
    """Let one process after another do the work of a key; a killed one blocks nobody.

    Args:
        key: Plain name of the work.

    Raises:
        DownloadError: The cache cannot be written.
    """
    from filelock import FileLock, Timeout

    cache = cache_folder()
    lock = FileLock(cache / f".{key}.adopting")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            _LOG.info("waiting for another process that adopts %s", key)
            lock.acquire()
    except OSError as error:
        raise _unwritable(cache, error) from error
    try:
        yield
        # The work is done, so a second lock of the same name does no harm.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
    finally:
        lock.release()


def find_staged() -> tuple[Path, ...]:
    """Return the staging folders of the cache, sorted; for some only the lock may exist."""
    try:
        names = [path.name for path in cache_folder().iterdir()]
    except OSError:  # missing or unreadable; listing the cache reports it
        return ()
    found = {name.removesuffix(_LOCK) for name in names if name.startswith(_PREFIX)}
    return tuple(cache_folder() / name for name in sorted(found))


def is_held(folder: Path) -> bool:
    """Return whether a live process uses a staging folder; True if unknown.

    Args:
        folder: A staging folder.
    """
    return files.is_held(_lock_of(folder))


def remove_staged(folder: Path) -> bool:
    """Remove a staging folder without a live process; return whether it is gone.

    Args:
        folder: A staging folder.

    Raises:
        OSError: It cannot be removed, for example in a read-only shared cache.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(_lock_of(folder), timeout=0):
            if folder.is_dir():
                shutil.rmtree(folder)
    except Timeout:
        return False
    with suppress(OSError):
        _lock_of(folder).unlink()
    return True


def _unwritable(place: Path, error: OSError) -> DownloadError:
    message = f"cannot write into the cache: {error.strerror or error}."
    hint = "check the free space and the permissions there, or name another with ZOO_CACHE."
    return DownloadError(message, where=place, hint=hint)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
