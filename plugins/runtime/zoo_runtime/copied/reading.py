# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.source.reading, by tools/runtime_copies.py.
"""Read files from outside without blocking and within limits."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from zoo_runtime.copied import documents
from zoo_runtime.errors import DataError

__all__ = ["MOST_BYTES", "open_file", "read_file"]

# A decoded image of MOST_PX pixels has at most 1.6 GB; an encoded one is not larger.
MOST_BYTES = 2**31


def read_file(path: str | os.PathLike[str], *, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the bytes of a file.

    Args:
        path: The file; links are followed.
        most_bytes: Largest allowed size; a larger file is refused without reading it.

    Raises:
        DataError: It cannot be opened, is not a regular file, or is too large.
    """
    try:
        return documents.read_file(path, most_bytes)
    except (OSError, documents.DocumentError) as error:
        raise _unreadable(Path(path), error) from error


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for unbuffered reading without blocking, as a pipe would.

    Args:
        path: The file; links are followed.

    Raises:
        DataError: It cannot be opened, or is not a regular file.
    """
    try:
        # Windows has no O_NONBLOCK, and opens in text mode by default.
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
