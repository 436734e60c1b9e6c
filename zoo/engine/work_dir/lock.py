# SPDX-License-Identifier: Apache-2.0
"""Allow one run at a time in a work dir, with a kernel lock that ends with the process."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.processes.launched import rank_in
from zoo.errors import TrainingError
from zoo.files import has_no_locks, try_lock

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["locked_work_dir"]

_LOG = logging.getLogger("zoo")
# The holder is kept apart from the lock: on Windows a locked file cannot be read.
_NAME, _LOCK = ".running", ".running.lock"


@contextmanager
def locked_work_dir(work_dir: str | Path, launcher: str = "none") -> Iterator[None]:
    """Lock a work dir during the block; only the first process of a run takes the lock.

    The file ``.running`` in it names process and machine, for others that find it locked. It is
    removed afterwards; the file of a killed run locks nobody out.

    Args:
        work_dir: Created if missing, and removed again if it stays empty.
        launcher: The launcher of the training; its processes share one lock.

    Raises:
        TrainingError: Another run holds it, or it cannot be written.
    """
    folder = Path(work_dir)
    if rank_in(launcher):
        yield
        return
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _take(folder)
        if lock is not None:
            _remove_halves(folder)
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        yield
    finally:
        _release(lock, folder)
        if is_new:
            with suppress(OSError):  # it is in use now
                folder.rmdir()


def _take(folder: Path) -> BaseFileLock | None:
    try:
        lock = try_lock(folder / _LOCK)
    except OSError as error:
        if not has_no_locks(error):
            raise
        text = "this file system has no locks (%s): two runs in %s would mix their files"
        _LOG.warning(text, error.strerror, folder)
        return None
    if lock is None:
        raise _held(folder)
    (folder / _NAME).write_text(f"{os.getpid()} {socket.gethostname()}\n", encoding="utf-8")
    return lock


def _remove_halves(folder: Path) -> None:
    """Remove what a killed run had half written; no run writes there now."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def _unusable(folder: Path, error: OSError) -> TrainingError:
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):
        reason = "found a file, expected a folder"
    message = f"cannot train in {str(folder)!r}: {reason}."
    hint = "choose a folder that you may write to with --work-dir."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space there, or choose a folder on another disk with --work-dir."
    return TrainingError(message, where=folder, hint=hint)


def _held(folder: Path) -> TrainingError:
    text = ""
    with suppress(OSError), (folder / _NAME).open(encoding="ascii", errors="replace") as stream:
        text = stream.read(300)
    words = text.split()
    pid, host = words if len(words) == 2 else ("", "")
    is_here = host == socket.gethostname() and pid.isdecimal()
    holder = f"process {pid}" if is_here else f"process {pid} on {host}" if pid else "another run"
    message = f"cannot train in {str(folder)!r}: {holder} is training there."
    stop = f"stop it with `kill -INT {pid}`" if is_here else "stop it there"
    hint = f"wait until it ends, {stop}, or use another --work-dir."
    return TrainingError(message, where=folder, hint=hint)


def _release(lock: BaseFileLock | None, folder: Path) -> None:
    if lock is None:
        return
    with suppress(OSError):
        (folder / _NAME).unlink()
    if os.name == "nt":
        lock.release()  # an open file cannot be removed there
    with suppress(OSError):  # while it is held, so that nobody's lock is removed
        (folder / _LOCK).unlink()
    lock.release()
