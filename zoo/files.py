# SPDX-License-Identifier: Apache-2.0
"""Whole files or none: results appear under their names only when complete; and their digests."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from zoo.errors import DataError

__all__ = ["digest_of_file", "replace_file"]


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


def digest_of_file(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
