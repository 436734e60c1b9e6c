# SPDX-License-Identifier: Apache-2.0
"""Files from outside, opened without waiting and read within limits, or one error that says why."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from zoo import documents
from zoo.errors import DataError

__all__ = ["MOST_BYTES", "open_file", "read_file"]

# A decoded picture of MOST_PX pixels has 1.6 GB at most; an undecoded one is not larger.
MOST_BYTES = 2**31


def read_file(path: str | os.PathLike[str], *, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the bytes of a file.

    Args:
        path: Of the file; a link is followed.
        most_bytes: A larger file is refused before a byte of it is read.

    Raises:
        DataError: It cannot be opened, is not a regular file, or is too large.
    """
    try:
        return documents.read_file(path, most_bytes)
    except (OSError, documents.DocumentError) as error:
        raise _unreadable(Path(path), error) from error


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading, without a buffer; never wait for a writer, as a pipe would.

    Args:
        path: The file; links are followed.

    Raises:
        DataError: It cannot be opened, or is not a regular file.
    """
    try:
        # Windows has no O_NONBLOCK, and opens text by default.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(Path(path), error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        special = documents.DocumentError("it is a pipe, a device or a folder, expected a file")
        raise _unreadable(Path(path), special)
    return os.fdopen(descriptor, "rb", buffering=0)


def _unreadable(path: Path, error: OSError | ValueError) -> DataError:
    hint = "check the path and its permissions."
    if isinstance(error, PermissionError):
        hint = "give yourself permission to read it, or remove it from the source."
    elif isinstance(error, documents.DocumentError):
        hint = "remove it from the source."
    reason = documents.reason_of(error)
    return DataError(f"cannot read {path.name!r}: {reason}.", path=path, hint=hint)
