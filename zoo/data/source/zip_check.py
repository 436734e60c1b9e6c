# SPDX-License-Identifier: Apache-2.0
"""Check a zip archive before reading from it."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from zoo.errors import DataError

try:
    from lzma import LZMAError
except ImportError:  # Python was built without it; its zipfile refuses such entries
    LZMAError = zlib.error  # type: ignore[assignment,misc]

__all__ = ["DAMAGE", "check_archive", "directory_bytes", "entry_path", "open_archive"]

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    struct.error,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What ``zipfile`` raises for an archive, or an entry of one, that does not hold."""

# Deflate cannot exceed 1032:1, and empty masks stored as BMP come near it. So small entries may
# have any ratio; only entries that unpack to gigabytes may not.
_ENTRY_FREE_BYTES = 64 * 2**20
_TOTAL_FREE_BYTES = 2**30
_MOST_RATIO = 200
_MOST_ENTRY_BYTES = 4 * 2**30
_MOST_ENTRIES = 1_000_000
_MOST_DIRECTORY_BYTES = 128 * 2**20
_LOCAL_HEADER_BYTES = 30
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_METHODS |= {getattr(zipfile, name) for name in ("ZIP_ZSTANDARD",) if hasattr(zipfile, name)}
_NAMES = {1: "shrink", 6: "implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd"}
_UNPACK = "unpack it yourself, check its content, and give the folder."


def entry_path(name: str) -> str:
    """Return the name of an entry with ``/`` as separator, without empty or ``.`` parts.

    Args:
        name: Name of the entry in the archive.
    """
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip and check that its list of entries is readable; entries are not checked.

    Args:
        path: The zip file.

    Raises:
        DataError: It is not a zip, or its list is damaged or far too long.
        OSError: It cannot be opened.
    """
    with path.open("rb") as stream:
        listed_bytes = directory_bytes(stream)
    if listed_bytes > _MOST_DIRECTORY_BYTES:
        found = f"its list of entries has {listed_bytes:,} bytes"
        raise _refusal(path, f"{found}, expected at most {_MOST_DIRECTORY_BYTES:,}")
    try:
        return zipfile.ZipFile(path)
    except UnicodeDecodeError as error:
        raise _refusal(path, "the name of an entry is marked as UTF-8 but is not") from error
    except DAMAGE as error:
        message = f"cannot read the source {path.name!r}: not a folder, and not an intact zip."
        hint = "unpack it and give the folder, or download the archive again."
        raise DataError(message, path=path, hint=hint) from error


def directory_bytes(stream: BinaryIO) -> int:
    """Return the stated size of an archive's list of entries in bytes; 0 if not stated.

    ``zipfile`` reads the whole list at once and needs about 20 times its size in memory.

    Args:
        stream: The zip file, open for reading in binary mode.
    """
    size_bytes = stream.seek(0, io.SEEK_END)
    start = max(0, size_bytes - 2**16 - 42)  # the longest comment and both records before it
    stream.seek(start)
    tail = stream.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + 22:
        return 0
    found: int = struct.unpack_from("<L", tail, end + 12)[0]
    locator = end - 20
    if locator >= 0 and tail[locator : locator + 4] == _LOCATOR_64:
        at = struct.unpack_from("<Q", tail, locator + 8)[0]
        stream.seek(min(at, size_bytes))
        record = stream.read(56)
        if record[:4] == _END_64 and len(record) == 56:
            found = struct.unpack_from("<Q", record, 40)[0]
    return found


def check_archive(
    path: Path, entries: Iterable[zipfile.ZipInfo], size_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive by path, or raise an error.

    Args:
        path: Path of the archive, for messages.
        entries: Entries of the archive, including folders.
        size_bytes: Size of the archive; overlapping entries state more in total.

    Raises:
        DataError: An entry is absolute, has a ``..`` part, is a link or a device, is encrypted,
            uses an unsupported compression, is repeated, shares bytes with another, or unpacks
            to more than 200 times its size and 64 MiB; or the whole archive does so beyond
            1 GiB, or has more than a million entries.
    """
    files: dict[str, zipfile.ZipInfo] = {}
    total_bytes = 0
    listed = list(entries)
    if len(listed) > _MOST_ENTRIES:
        raise _refusal(
            path, f"it holds {len(listed):,} entries, expected at most {_MOST_ENTRIES:,}"
        )
    _check_apart(path, listed)
    for entry in listed:
        reason = _fault(entry)
        if reason is None and entry.is_dir():
            continue
        name = entry_path(entry.filename)
        if reason is None and name in files:
            reason = "appears twice"
        if reason is not None:
            raise _refusal(path, f"entry {entry.filename!r} {reason}")
        files[name] = entry
        total_bytes += entry.file_size
    if total_bytes > max(_TOTAL_FREE_BYTES, _MOST_RATIO * size_bytes):
        raise _refusal(path, f"it unpacks from {size_bytes} to {total_bytes} bytes")
    return files


def _check_apart(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share bytes, since few bytes could unpack to very many."""
    placed = [entry for entry in entries if hasattr(entry, "header_offset")]
    ordered = sorted(placed, key=lambda entry: entry.header_offset)
    if ordered and ordered[0].header_offset < 0:
        raise _refusal(path, "its list of entries is not where the archive says")
    for entry, following in pairwise(ordered):
        end = entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size
        if end > following.header_offset:
            reason = f"entry {following.filename!r} shares bytes with {entry.filename!r}"
            raise _refusal(path, reason)


def _refusal(path: Path, reason: str) -> DataError:
    message = f"cannot use the archive {path.name!r}: {reason}."
    return DataError(message, path=path, hint=_UNPACK)


def _fault(entry: zipfile.ZipInfo) -> str | None:
    # orig_filename is the stored name; zipfile cuts filename at a NUL.
    name = entry.orig_filename.replace("\\", "/")
    mode = stat.S_IFMT(entry.external_attr >> 16)
    faults = {
        "has an absolute name": name.startswith("/") or bool(PureWindowsPath(name).drive),
        "escapes from the archive with '..'": ".." in name.split("/"),
        "has a name with a NUL": "\0" in name,
        "is a link": mode == stat.S_IFLNK,
        "is neither a file nor a folder": mode not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK),
        "is encrypted": bool(entry.flag_bits & 0x41),  # with a password, or strong encryption
        f"is compressed by {_method(entry)}, which Python cannot read": (
            entry.compress_type not in _METHODS
        ),
        f"unpacks from {entry.compress_size} to {entry.file_size} bytes": _is_bomb(entry),
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def _method(entry: zipfile.ZipInfo) -> str:
    return _NAMES.get(entry.compress_type, f"the method {entry.compress_type}")


def _is_bomb(entry: zipfile.ZipInfo) -> bool:
    limit_bytes = max(_ENTRY_FREE_BYTES, _MOST_RATIO * entry.compress_size)
    return entry.file_size > min(limit_bytes, _MOST_ENTRY_BYTES)
