# SPDX-License-Identifier: Apache-2.0
"""Files as wholes: written entirely or not at all, locked, their digests, ``~`` in their paths.

Locks are filelock's: each ends with its process, whatever that forked. A file that only exists is
never taken for a lock: what a killed process leaves locks nobody out.

Written here, not taken from ``atomicwrites`` or ``safer``, which are no longer maintained or do
not flush to the disk. TOML and JSON are read by :mod:`zoo.documents`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from zoo.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = [
    "digest_of_file",
    "expand_home",
    "has_no_locks",
    "is_disk_full",
    "is_held",
    "open_atomically",
    "open_whole",
    "replace_file",
    "try_lock",
    "unwritable",
    "write_file",
]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def _placed(path: Path, staged: Path) -> Iterator[None]:
    """Move what the block writes to ``staged`` into place if it ends well, else remove it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
        staged.replace(path)
    finally:
        with suppress(OSError):  # it was moved, or its folder never came to be
            staged.unlink()


@contextmanager
def open_whole(
    path: Path, staged: Path, mode: str = "wb", *, is_durable: bool = True
) -> Iterator[IO[Any]]:
    """Open ``path`` for writing; it appears, or is replaced, only when all was written.

    Args:
        path: The file to write; its folder is made.
        staged: Where the bytes go until then, in the same folder; removed if the writing fails.
        mode: ``"wb"`` or ``"w"`` (UTF-8).
        is_durable: Whether the bytes are on the disk before the file appears, which takes some ms.

    Raises:
        OSError: The file cannot be written, as on a full disk; it holds what it held before.
    """
    encoding = None if "b" in mode else "utf-8"
    with _placed(path, staged), staged.open(mode, encoding=encoding) as stream:
        yield stream
        if is_durable:
            stream.flush()
            os.fsync(stream.fileno())
    if is_durable:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_atomically(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a checkpoint for writing; it appears, or is replaced, only when all is on the disk.

    The bytes go to ``.NAME.part`` in the same folder, which the next try overwrites. Whatever stops
    the writing, even a kill, ``path`` holds what it held before.

    Args:
        path: The file to write; its folder is made.
        mode: ``"wb"`` or ``"w"`` (UTF-8).

    Raises:
        CheckpointError: The file cannot be written, as on a full disk.
    """
    target = Path(path)
    try:
        with open_whole(target, target.with_name(f".{target.name}.part"), mode) as stream:
            yield stream
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"cannot write {target.name!r}: {reason}; the previous file is untouched."
        hint = "check the free space and the permissions there, or choose another folder."
        raise CheckpointError(msg, path=target, hint=hint) from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a result; it appears, or is replaced, only when all was written.

    Args:
        path: The file to write; its folder is made.
        data: All of it.

    Raises:
        DataError: The folder or the file cannot be written, as on a full disk.
    """
    # Two processes may write the same file, such as two plots of one run.
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():  # a device would be gone afterwards
            message = f"cannot write {path.name!r}: found a folder or a device, expected a file."
            raise DataError(message, path=path, hint="choose another file with --out.")
        with _placed(path, staged):
            staged.write_bytes(data)
    except OSError as error:
        message = f"cannot write {path.name!r}: {error.strerror or error}."
        hint = (
            "check the free space and the permissions there, or choose another folder with --out."
        )
        raise DataError(message, path=path, hint=hint) from error


def write_file(path: Path, data: bytes) -> None:
    """Write one file of a folder that itself appears whole, and the folders that it lies in.

    Args:
        path: The file to write.
        data: All of it.

    Raises:
        DataError: The disk is full, or the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> DataError:
    """Return the error of a place that cannot be written, for want of space or of rights.

    Args:
        path: What was to be written.
        error: What the system says.
    """
    message = f"cannot write {path.name!r}: {error.strerror or error}."
    hint = "give another --out."
    if error.errno in _FULL:
        hint = "free some space, or give an --out on another disk."
    return DataError(message, path=path, hint=hint)


def is_disk_full(error: DataError) -> bool:
    """Return whether `unwritable` made ``error`` for want of space.

    Args:
        error: As `unwritable` returns it.
    """
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def digest_of_file(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits.

    Args:
        path: A regular file.

    Raises:
        OSError: It cannot be read.
    """
    import hashlib  # here: a listing needs no digest, and OpenSSL takes a while to load

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Return a path as a user writes it, its ``~`` or ``~user`` replaced by that folder.

    Where no such user or home is known, the path stays as it is: a file may be called that.

    Args:
        path: As a user writes it.
    """
    return Path(os.path.expanduser(path))


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
    """Return whether a lock failed because its file system has none, as some network ones.

    Args:
        error: What `try_lock` raised.
    """
    return error.errno in _NO_LOCKS


def is_held(path: Path) -> bool:
    """Return whether a living process holds a lock; True where that cannot be told.

    Args:
        path: The lock's file.
    """
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
