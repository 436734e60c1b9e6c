# SPDX-License-Identifier: Apache-2.0
"""One process at a time fetches a target; the others wait for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import DownloadError
from zoo.weights.cache import lock_path

__all__ = ["only_one"]

_LOG = logging.getLogger("zoo")
_LOOK_S = 0.5  # a longer wait for another process is reported


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Make the folder of a target and hold its lock; remove the lock file if the target is there.

    Args:
        target: Final path of the file.

    Raises:
        DownloadError: The folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    _make_folder(target.parent)
    path = lock_path(target)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            _LOG.info("waiting for another process that downloads %s", target.name)
            lock.acquire()
    except OSError as error:
        message = f"cannot write beside {target.name}: {error.strerror or error}."
        hint = "set --dest or ZOO_CACHE to a folder that you can write."
        raise DownloadError(message, where=target.parent, hint=hint) from error
    try:
        yield
        # The target exists and nobody writes it any more, so a second lock does no harm.
        with suppress(OSError):
            path.unlink(missing_ok=True)
    finally:
        lock.release()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make a folder for downloads: {error.strerror}."
        hint = "set --dest or ZOO_CACHE to a folder that you can write."
        raise DownloadError(message, where=folder, hint=hint) from error
