# SPDX-License-Identifier: Apache-2.0
"""One fit at a time in a work dir: from planning to the report, with a lock that ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.errors import TrainingError

__all__ = ["locked_folder", "make_folder"]

_NAME = ".lock"


@contextmanager
def locked_folder(folder: Path) -> Iterator[Path]:
    """Lock a fit's folder during the block; `zoo train` locks the work dir itself.

    Args:
        folder: Created if missing, and removed again if it stays empty.

    Raises:
        TrainingError: Another fit holds it, or it cannot be made.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    lock = FileLock(folder / _NAME, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        message = "cannot fit into this work dir: another fit is running there."
        hint = "wait until it ends, or give another --work-dir."
        raise TrainingError(message, where=folder.parent, hint=hint) from error
    except OSError:  # a file system without locks, or a folder that refuses files: what follows
        pass  # says so
    try:
        yield folder
    finally:
        if lock.is_locked:
            with suppress(OSError):  # while it is held, so that nobody's lock is removed
                (folder / _NAME).unlink()
            lock.release()
        with suppress(OSError):  # they are in use now
            for path in new:
                path.rmdir()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Args:
        folder: Below a work dir.

    Raises:
        TrainingError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot fit: the work dir cannot be made: {error.strerror}."
        hint = "give a --work-dir that you may write to."
        raise TrainingError(message, where=folder.parent, hint=hint) from error
