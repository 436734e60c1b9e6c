# SPDX-License-Identifier: Apache-2.0
"""Check that the bytes of a ``.pth`` are as they were written, before reading anything from it.

`torch.save` writes a zip that stores a CRC-32 of each record, but torch's reader ignores it: a bit
that flipped on a disk silently changes a weight.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

from zoo.data.source.zip_check import DAMAGE, directory_bytes
from zoo.errors import CheckpointError

__all__ = ["broken_checkpoint", "check_bytes", "is_mappable", "is_whole", "open_bytes"]

_BLOCK_BYTES = 1 << 20
_MOST_DIRECTORY_BYTES = 64 * 2**20  # some 800,000 records; a large model has a few thousand


def open_bytes(path: Path, data: bytes | None) -> BinaryIO:
    """Return a stream of a file, or of its bytes if already read.

    Args:
        path: The file.
        data: Its bytes, or None to open it.
    """
    return path.open("rb") if data is None else io.BytesIO(data)


def check_bytes(path: Path, data: bytes | None = None) -> None:
    """Refuse a file that is not a checkpoint, or that is corrupted.

    The older format, a series of pickles, has no checksums: only its beginning is checked.

    Args:
        path: A ``.pth``.
        data: Its bytes, if already read; then the file is not opened.

    Raises:
        CheckpointError: It is missing, not a regular file, empty, a web page, or a zip that is
            truncated, damaged, or unpacks to more than it is.
    """
    if data is None and not os.path.isfile(path):
        kind = "not a regular file" if os.path.exists(path) else None
        kind = "a folder" if os.path.isdir(path) else kind
        msg = f"cannot read the checkpoint {path.name!r}: "
        msg += f"found {kind or 'no such file'}, expected a file."
        hint = "check the path; training writes checkpoints into its work dir."
        raise CheckpointError(msg, path=path, hint=hint)
    try:
        with open_bytes(path, data) as stream:
            start = stream.read(512)
            size_bytes = stream.seek(0, io.SEEK_END)
    except OSError as error:
        raise broken_checkpoint(path, f"{error.strerror or error}") from error
    if not start:
        raise broken_checkpoint(path, "it is empty (0 bytes)")
    if start.lstrip()[:1] == b"<":
        reason = "it is a web page, not a checkpoint; the download went wrong"
        raise broken_checkpoint(path, reason)
    if start.startswith(b"version https://git-lfs"):
        raise broken_checkpoint(path, "it is a Git LFS pointer, not the file itself")
    if start.startswith(b"PK"):
        _check_archive(path, data, size_bytes)


def is_mappable(path: Path) -> bool:
    """Return whether every record of a ``.pth`` is in the file as it is: a zip, not compressed.

    Args:
        path: A file that `check_bytes` accepts.
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


def is_whole(path: Path) -> bool:
    """Return whether a training checkpoint is on disk as it was written.

    Args:
        path: A ``.pth`` or ``.safetensors``; it is hashed or checked, not loaded.
    """
    try:
        check_bytes(path)
        with path.open("rb") as stream:
            # A zip, or the older form; after a power cut a file may be as long as it was, and zero.
            return stream.read(2)[:1] in (b"P", b"\x80")
    except (CheckpointError, OSError):
        return False


def broken_checkpoint(path: Path, reason: str) -> CheckpointError:
    """Return the error of a checkpoint that cannot be read.

    Args:
        path: The file.
        reason: A clause, such as ``it is truncated``.
    """
    msg = f"cannot read the checkpoint {path.name!r}: {reason}."
    hint = "copy or download the file again, and compare its size and sha256 with the source's."
    return CheckpointError(msg, path=path, hint=hint)


def _check_archive(path: Path, data: bytes | None, size_bytes: int) -> None:
    try:
        with open_bytes(path, data) as stream:
            listed_bytes = directory_bytes(stream)
        if listed_bytes > _MOST_DIRECTORY_BYTES:
            reason = f"its list of records has {listed_bytes:,} bytes, "
            raise broken_checkpoint(path, f"{reason}at most {_MOST_DIRECTORY_BYTES:,} are read")
        with open_bytes(path, data) as stream, zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            # torch stores, it never compresses.
            total_bytes = sum(entry.file_size for entry in entries)
            if total_bytes > size_bytes:
                reason = f"its archive declares {total_bytes} bytes, the file has {size_bytes}"
                raise broken_checkpoint(path, reason)
            _check_names(path, entries)
            for entry in _with_checksums(entries):
                _check_record(path, archive, entry)
    except DAMAGE as error:
        reason = f"its archive is damaged or truncated: {_plain(error)}"
        raise broken_checkpoint(path, reason) from error


def _check_names(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse two records of the same name, because readers disagree on which one counts."""
    names: set[str] = set()
    for entry in entries:
        # zipfile cuts a name at a NUL, torch's reader does not.
        if entry.filename in names or "\0" in entry.orig_filename:
            reason = f"its archive has two records with the name {entry.filename!r}"
            raise broken_checkpoint(path, reason)
        names.add(entry.filename)


def _with_checksums(entries: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the records to check; none if torch was told to compute no checksums."""
    return entries if any(entry.CRC for entry in entries) else []


def _check_record(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 0x1:
        raise broken_checkpoint(path, f"its record {entry.filename!r} is encrypted")
    try:
        with archive.open(entry) as record:
            while record.read(_BLOCK_BYTES):
                pass
    except DAMAGE as error:
        reason = f"its record {entry.filename!r} is damaged: {_plain(error)}"
        raise broken_checkpoint(path, reason) from error


def _plain(error: BaseException) -> str:
    if isinstance(error, (UnicodeError, LookupError)):  # of Python's, not the file's
        return "it does not agree with the list of records"
    text = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return text[:200]
