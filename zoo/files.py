# SPDX-License-Identifier: Apache-2.0
"""Whole files or none: results appear under their names only when complete; and their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from zoo.errors import CheckpointError, DataError

__all__ = ["digest_of_file", "open_atomically", "replace_file"]


def replace_file(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there, replacing what was there.

    Missing folders are made. Whatever stops the writing, ``path`` keeps what it held before.

    Raises:
        DataError: The folder or the file cannot be written, as on a full disk.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.exists() and not path.is_file():  # a device would be gone afterwards
            message = f"cannot write {path.name!r}: found a folder or a device, expected a file."
            raise DataError(message, path=path, hint="name another file with --out.")
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(data)
        staged.replace(path)
    except OSError as error:
        message = f"cannot write {path.name!r}: {error.strerror or error}."
        hint = "check the space and the rights there, or name another folder with --out."
        raise DataError(message, path=path, hint=hint) from error
    finally:
        with suppress(OSError):  # it was moved, or its folder never came to be
            staged.unlink()


@contextmanager
def open_atomically(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open ``path`` for writing; it appears, or is replaced, only when all is on the disk.

    The bytes go to ``.NAME.part`` in the same folder. Whatever stops the writing, even a kill,
    ``path`` holds what it held before.

    Args:
        path: The file to write; its folder is made.
        mode: ``"wb"`` or ``"w"`` (UTF-8).

    Raises:
        CheckpointError: The file cannot be written, as on a full disk.
    """
    target = Path(path)
    staged = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged.open(mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"cannot write {target.name!r}: {reason}; what was there before is untouched."
        hint = "check the space and the rights there, or choose another folder."
        raise CheckpointError(msg, path=target, hint=hint) from error
    finally:
        with suppress(OSError):  # it was moved, or its folder never came to be
            staged.unlink()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest_of_file(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
