# SPDX-License-Identifier: Apache-2.0
"""Locks of the kernel, by filelock: each ends with its process, whatever that forked.

A file that only exists is never taken for a lock: what a killed process leaves locks nobody out.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["has_no_locks", "is_held", "try_lock"]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def try_lock(path: Path) -> BaseFileLock | None:
    """Return a lock that is taken, or None if another process, or another call, holds it.

    Args:
        path: The lock's file, made if it is missing; its ``release`` leaves the file.

    Raises:
        OSError: The file cannot be made, or its file system has no locks (`has_no_locks`).
    """
    from filelock import FileLock, Timeout

    # Without the fallback to a file that only exists, which outlives a killed process.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def has_no_locks(error: OSError) -> bool:
    """Return whether a lock failed because its file system has none, as some network ones."""
    return error.errno in _NO_LOCKS


def is_held(path: Path) -> bool:
    """Return whether a living process holds a lock; True where that cannot be told."""
    if not path.exists():
        return False
    try:
        lock = try_lock(path)
    except OSError:
        return True
    if lock is None:
        return True
    lock.release()
    return False
