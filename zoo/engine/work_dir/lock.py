# SPDX-License-Identifier: Apache-2.0
"""One run at a time in a work dir, by a lock of the kernel that ends with the process."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zoo.errors import TrainingError

__all__ = ["locked_work_dir"]

_LOG = logging.getLogger("zoo")
_NAME = ".running"
_RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}
_HELD: set[int] = set()


def _let_go() -> None:
    """Close in a forked process what would keep the lock after its parent was killed."""
    for handle in _HELD:
        with suppress(OSError):
            os.close(handle)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def locked_work_dir(work_dir: str | Path, launcher: str = "none") -> Iterator[None]:
    """Hold a work dir for the time of the block; only the first process of a run takes the lock.

    The file ``.running`` in it holds process and machine, for those who find it locked. It is
    removed afterwards; what a killed run leaves locks nobody out.

    Args:
        work_dir: Made if it is missing, and removed again if it stays empty.
        launcher: As for training; the processes that it starts share one lock.

    Raises:
        TrainingError: Another run holds it.
    """
    folder = Path(work_dir)
    if int(os.environ.get(_RANKS.get(launcher, ""), "0") or 0):
        yield
        return
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    lock = _take(folder / _NAME)
    try:
        yield
    finally:
        _release(lock, folder / _NAME)
        if is_new:
            with suppress(OSError):  # it is in use now
                folder.rmdir()


def _take(path: Path) -> IO[bytes]:
    while True:
        lock = path.open("a+b")
        if not _lock(lock):
            with lock:
                raise _held(path, lock)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                break
        lock.close()  # the run before has just removed it
    _HELD.add(lock.fileno())
    lock.truncate(0)
    lock.write(f"{os.getpid()} {socket.gethostname()}\n".encode())
    lock.flush()
    return lock


def _lock(lock: IO[bytes]) -> bool:
    """Take the lock of an open file; False if another process has it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _lock_region(lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        text = "this file system has no locks (%s): two runs in %s would mix their files"
        _LOG.warning(text, error.strerror, Path(lock.name).parent)
    return True


def _lock_region(lock: IO[bytes]) -> bool:
    import importlib

    windows = importlib.import_module("msvcrt")
    lock.seek(1 << 30)  # far from what is read by those that are locked out
    try:
        windows.locking(lock.fileno(), windows.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _held(path: Path, lock: IO[bytes]) -> TrainingError:
    lock.seek(0)
    words = lock.read(300).decode("ascii", "replace").split()
    pid, host = words if len(words) == 2 else ("", "")
    is_here = host == socket.gethostname() and pid.isdecimal()
    holder = f"process {pid}" if is_here else f"process {pid} on {host}" if pid else "another run"
    message = f"cannot train in {str(path.parent)!r}: {holder} is training there."
    stop = f"stop it with `kill -INT {pid}`" if is_here else "stop it there"
    hint = f"wait until it has ended, {stop}, or give another --work-dir."
    return TrainingError(message, where=path.parent, hint=hint)


def _release(lock: IO[bytes], path: Path) -> None:
    _HELD.discard(lock.fileno())
    if os.name == "nt":
        lock.close()  # an open file cannot be removed there
    with suppress(OSError):
        path.unlink()
    lock.close()
