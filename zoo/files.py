# SPDX-License-Identifier: Apache-2.0
"""File helpers: atomic writes, locks, digests, and ``~`` in paths.

Locks use filelock. Each lock ends with its process, even if the process forked. The mere existence
of a lock file does not lock anything, so a killed process never blocks others.

Atomic writes do not use ``atomicwrites`` or ``safer``, which are unmaintained or do not flush to
disk. :mod:`zoo.documents` reads TOML and JSON.
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
    "remove_staged",
    "replace_file",
    "replacing_file",
    "try_lock",
    "unwritable",
    "write_file",
    "write_new_file",
]

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def _placed(path: Path, staged: Path) -> Iterator[None]:
    """Move ``staged`` into place if the block succeeds, else remove it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
        staged.replace(path)
    finally:
        with suppress(OSError):  # it was moved, or its folder was never created
            staged.unlink()


@contextmanager
def open_whole(
    path: Path, staged: Path, mode: str = "wb", *, is_durable: bool = True
) -> Iterator[IO[Any]]:
    """Open ``path`` for writing; create or replace it only after everything was written.

    Args:
        path: The file to write; its folder is created.
        staged: Temporary file in the same folder; removed if writing fails.
        mode: ``"wb"`` or ``"w"`` (UTF-8).
        is_durable: Whether to flush to disk before the file appears, which takes a few ms.

    Raises:
        OSError: The file cannot be written, for example on a full disk; it is left unchanged.
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
        return  # other systems cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def open_atomically(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a checkpoint for writing; create or replace it only after everything is on disk.

    The bytes go to ``.NAME.part`` in the same folder, which the next attempt overwrites. If writing
    stops for any reason, even a kill, ``path`` is left unchanged.

    Args:
        path: The file to write; its folder is created.
        mode: ``"wb"`` or ``"w"`` (UTF-8).

    Raises:
        CheckpointError: The file cannot be written, for example on a full disk.
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
    """Write a result file; create or replace it only after everything was written.

    Args:
        path: The file to write; its folder is created.
        data: The whole content.

    Raises:
        DataError: The folder or the file cannot be written, for example on a full disk.
    """
    with replacing_file(path) as staged:
        staged.write_bytes(data)


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield where to write a result file part by part; as `replace_file` otherwise.

    Args:
        path: The file to write; its folder is created.

    Raises:
        DataError: The folder or the file cannot be written, for example on a full disk.
    """
    # Two processes may write the same file, for example two plots of one run.
    staged = _staged(path, os.getpid())
    try:
        if path.exists() and not path.is_file():  # replacing a device would remove it
            message = f"cannot write {path.name!r}: found a folder or a device, expected a file."
            raise DataError(message, path=path, hint="choose another file with --out.")
        with _placed(path, staged):
            yield staged
    except OSError as error:
        message = f"cannot write {path.name!r}: {error.strerror or error}."
        hint = (
            "check the free space and the permissions there, or choose another folder with --out."
        )
        raise DataError(message, path=path, hint=hint) from error


def _staged(path: Path, process: int | str) -> Path:
    return path.with_name(f".{path.name}.{process}.tmp")


def remove_staged(path: Path) -> None:
    """Remove what processes that were killed have left of `replacing_file`.

    Args:
        path: The file that they were writing.
    """
    with suppress(OSError):  # the folder may not be there yet
        for each in path.parent.iterdir():
            number = each.name.removeprefix(f".{path.name}.").removesuffix(".tmp")
            is_ours = each == _staged(path, number) and number.isascii() and number.isdecimal()
            if is_ours and _has_ended(int(number)):
                each.unlink()


def _has_ended(process: int) -> bool:
    if os.name != "posix":
        return False  # to ask elsewhere would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # another user's
        return False
    return False


def write_file(path: Path, data: bytes) -> None:
    """Write one file of a folder that is created atomically, and its parent folders.

    Args:
        path: The file to write.
        data: The whole content.

    Raises:
        DataError: The disk is full, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise unwritable(path, error) from error


def write_new_file(path: Path, data: bytes, *, mode: int, is_durable: bool = True) -> None:
    """Write a file that does not exist yet, such as a private key; nothing is ever replaced.

    Args:
        path: The file.
        data: Its bytes.
        mode: Its permissions from the first byte on, such as ``0o600``.
        is_durable: Whether to flush to disk, which takes a few ms.

    Raises:
        OSError: It exists, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, mode), "wb") as stream:
        stream.write(data)
        if is_durable:
            stream.flush()
            os.fsync(stream.fileno())


def unwritable(path: Path, error: OSError) -> DataError:
    """Return the error for a path that cannot be written, for lack of space or permission.

    Args:
        path: The file or folder to write.
        error: The error of the operating system.
    """
    message = f"cannot write {path.name!r}: {error.strerror or error}."
    hint = "give another --out."
    if error.errno in _FULL:
        hint = "free some space, or give an --out on another disk."
    return DataError(message, path=path, hint=hint)


def is_disk_full(error: DataError) -> bool:
    """Return whether an error from `unwritable` is due to a full disk.

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
    import hashlib  # imported here: a listing needs no digest, and OpenSSL loads slowly

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` or ``~user`` expanded.

    If the user or the home folder is unknown, the path is unchanged: a file may have that name.

    Args:
        path: A path from a user.
    """
    return Path(os.path.expanduser(path))


def try_lock(path: Path) -> BaseFileLock | None:
    """Acquire and return a lock, or return None if another process or call holds it.

    Args:
        path: The lock file, created if missing; ``release`` does not remove it.

    Raises:
        OSError: The file cannot be created, or its file system has no locks (`has_no_locks`).
    """
    from filelock import FileLock, Timeout

    # No fallback to a lock by mere existence of a file, which outlives a killed process.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def has_no_locks(error: OSError) -> bool:
    """Return whether a lock failed because the file system, such as a network one, has none.

    Args:
        error: What `try_lock` raised.
    """
    return error.errno in _NO_LOCKS


def is_held(path: Path) -> bool:
    """Return whether a live process holds a lock; True if that cannot be determined.

    Args:
        path: The lock file.
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
