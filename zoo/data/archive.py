# SPDX-License-Identifier: Apache-2.0
"""What a zip may hold before anything of it is read."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from zoo.errors import DataError

__all__ = ["check_archive", "entry_path"]

# Deflate cannot pass 1032:1, and empty masks stored as BMP come near it, so small entries may be
# as dense as they like; what unpacks to gigabytes may not.
_ENTRY_FREE_BYTES = 64 * 2**20
_TOTAL_FREE_BYTES = 2**30
_MOST_RATIO = 200
_MOST_ENTRY_BYTES = 4 * 2**30
_UNPACK = "unpack it yourself, look at what it holds, and give the folder."


def entry_path(name: str) -> str:
    """Return an entry's name with ``/`` between parts and no empty or ``.`` parts."""
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def check_archive(
    path: Path, entries: Iterable[zipfile.ZipInfo], size_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by path, or refuse the archive.

    Args:
        path: The archive, for messages.
        entries: Its entries, folders included.
        size_bytes: Of the archive itself; entries that overlap state more between them.

    Raises:
        DataError: An entry is absolute, has a ``..`` part, is a link or a device, is encrypted,
            is there twice, or unpacks to more than 200 times its size and 64 MiB; or the whole
            does so beyond 1 GiB.
    """
    files: dict[str, zipfile.ZipInfo] = {}
    total_bytes = 0
    for entry in entries:
        reason = _fault(entry)
        if reason is None and entry.is_dir():
            continue
        name = entry_path(entry.filename)
        if reason is None and name in files:
            reason = "is there twice"
        if reason is not None:
            raise _refusal(path, f"entry {entry.filename!r} {reason}")
        files[name] = entry
        total_bytes += entry.file_size
    if total_bytes > max(_TOTAL_FREE_BYTES, _MOST_RATIO * size_bytes):
        raise _refusal(path, f"it unpacks from {size_bytes} to {total_bytes} bytes")
    return files


def _refusal(path: Path, reason: str) -> DataError:
    message = f"cannot use the archive {path.name!r}: {reason}."
    return DataError(message, path=path, hint=_UNPACK)


def _fault(entry: zipfile.ZipInfo) -> str | None:
    # orig_filename is what the archive says; zipfile cuts filename at a NUL.
    name = entry.orig_filename.replace("\\", "/")
    mode = stat.S_IFMT(entry.external_attr >> 16)
    faults = {
        "has an absolute name": name.startswith("/") or bool(PureWindowsPath(name).drive),
        "climbs out of the archive with '..'": ".." in name.split("/"),
        "has a name with a NUL": "\0" in name,
        "is a link": mode == stat.S_IFLNK,
        "is neither a file nor a folder": mode not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        "is encrypted": bool(entry.flag_bits & 0x1),
        f"unpacks from {entry.compress_size} to {entry.file_size} bytes": _is_bomb(entry),
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def _is_bomb(entry: zipfile.ZipInfo) -> bool:
    limit_bytes = max(_ENTRY_FREE_BYTES, _MOST_RATIO * entry.compress_size)
    return entry.file_size > min(limit_bytes, _MOST_ENTRY_BYTES)
