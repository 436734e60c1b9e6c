# SPDX-License-Identifier: Apache-2.0
"""The cache of fetched and adopted weights, addressed by digest.

The path is ``<cache>/<sha256>/<filename>``, so files with equal names do not collide and the folder
can serve as a mirror. A file gets its final name only after its size and sha256 were checked, so
readers need neither a lock nor write permission.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from zoo.errors import DownloadError
from zoo.folders import cache_root
from zoo.manifest.rows import WeightsRow

__all__ = [
    "CachedFile",
    "address_filename",
    "cache_folder",
    "cached_digests",
    "cached_file",
    "cached_files",
    "find_cached",
    "is_plain_file_name",
    "lock_path",
    "note_path",
    "part_path",
    "plain_name",
    "remove_cached",
    "weights_filename",
]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_PART = ".part"
_NOTE = ".part.json"


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file in the cache.

    Attributes:
        sha256: Digest of the complete file.
        path: The file.
        size_bytes: Current size.
        is_part: Whether it is an interrupted download.
    """

    sha256: str
    path: Path
    size_bytes: int
    is_part: bool

    @property
    def name(self) -> str:
        """Return the final name of the file."""
        return self.path.name.removesuffix(_PART) if self.is_part else self.path.name


def cache_folder() -> Path:
    """Return the folder for weights that no package contains; it may not exist.

    It is ``weights`` in the cache of zoo, whose folder ``ZOO_CACHE`` names.

    Raises:
        DownloadError: It starts with ``~``, and the home folder is unknown.
    """
    return cache_root() / "weights"


def cached_file(sha256: str) -> Path | None:
    """Return the complete file with a digest in the cache, or None.

    The file was verified when it was cached and is not read again; use
    `zoo.weights.find_weights_file` to verify it now.

    Args:
        sha256: 64 hex digits, lower case.
    """
    return next(iter(cached_files(sha256)), None)


def cached_files(sha256: str) -> tuple[Path, ...]:
    """Return every complete file with a digest in the cache, sorted by name, not verified.

    If two rows list the same file, it may exist under both names, and one may be damaged.

    Args:
        sha256: 64 hex digits, lower case.
    """
    folder = os.path.join(cache_folder(), sha256)
    if not os.path.isdir(folder):
        return ()
    return tuple(found.path for found in _in_folder(Path(folder)) if not found.is_part)


def cached_digests() -> frozenset[str]:
    """Return the digests of which the cache may have a file; none if it cannot be read.

    A listing of thousands of rows asks once for all, rather than for each.
    """
    try:
        return frozenset(os.listdir(cache_folder()))
    except (OSError, DownloadError):
        return frozenset()


def find_cached() -> tuple[CachedFile, ...]:
    """Return every file in the cache, including interrupted downloads, sorted by digest.

    Raises:
        DownloadError: The folder exists but cannot be read.
    """
    folder = cache_folder()
    try:
        folders = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        message = f"cannot read the cache: {error.strerror}."
        raise DownloadError(message, where=folder, hint="name another with ZOO_CACHE.") from error
    return tuple(found for entry in folders for found in _in_folder(entry))


def _in_folder(folder: Path) -> Iterator[CachedFile]:
    if _DIGEST.fullmatch(folder.name) is None or not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_NOTE):
            try:
                size_bytes = path.stat().st_size
            except FileNotFoundError:  # a part that was finished or removed meanwhile
                continue
            yield CachedFile(folder.name, path, size_bytes, path.name.endswith(_PART))


def remove_cached(found: CachedFile) -> None:
    """Remove a file from the cache, and its folder if that is then empty.

    Args:
        found: The file, as `find_cached` returns it.

    Raises:
        DownloadError: Another process is fetching it.
        OSError: It cannot be removed, for example in a read-only shared cache.
    """
    target = found.path.with_name(found.name)
    if not found.is_part:
        found.path.unlink(missing_ok=True)
    elif lock_path(target).exists():
        _remove_part(target)
    else:
        found.path.unlink(missing_ok=True)
        note_path(target).unlink(missing_ok=True)
    if not any(_in_folder(target.parent)):
        lock_path(target).unlink(missing_ok=True)
        with suppress(OSError):  # the folder contains other files
            target.parent.rmdir()


def _remove_part(target: Path) -> None:
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock_path(target), timeout=0):
            part_path(target).unlink(missing_ok=True)
            note_path(target).unlink(missing_ok=True)
    except Timeout as error:
        message = f"cannot remove {target.name}: another process is downloading it."
        raise DownloadError(message, where=target.parent, hint="wait until it is done.") from error


def part_path(target: Path) -> Path:
    """Return the path of a file during download, next to its final path.

    Args:
        target: Final path of the file.
    """
    return target.with_name(target.name + _PART)


def note_path(target: Path) -> Path:
    """Return the path of the note that records the origin of an unfinished file.

    Args:
        target: Final path of the file.
    """
    return target.with_name(target.name + _NOTE)


def lock_path(target: Path) -> Path:
    """Return the path of the lock that a process holds while it fetches a file.

    Args:
        target: Final path of the file.
    """
    return target.with_name(f".{target.name}.lock")


def address_filename(address: str) -> str:
    """Return the decoded last part of the path of an address, or an empty text.

    Args:
        address: A URL.
    """
    try:
        return PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:  # not an address, for example an unclosed bracket
        return ""


def weights_filename(row: WeightsRow) -> str:
    """Return the name of a row's file on disk and on mirrors.

    It is the last part of the row's first address if that is a plain name with the suffix of the
    row's format, else ``<name>.<format>``, for example for an adopted legacy checkpoint.

    Args:
        row: A row of weights.
    """
    name = address_filename(row.urls[0]) if row.urls else ""
    if _PLAIN_NAME.fullmatch(name) and name.endswith(f".{row.format}"):
        return name
    return f"{plain_name(row.name)}.{row.format}"


def is_plain_file_name(name: str) -> bool:
    """Return whether a name from outside can be that of a file in the cache, and of no other.

    Args:
        name: Such as `address_filename` returns it.
    """
    is_plain = _PLAIN_NAME.fullmatch(name) is not None
    return is_plain and not name.endswith((_PART, _NOTE, ".lock"))


def plain_name(name: str) -> str:
    """Return the name of weights without the scope of a source, as a file name needs it.

    Args:
        name: Name of a row: ``unet_road``, or ``acme/unet_road`` of a source.

    Example:
        >>> plain_name("acme/unet_road@2")
        'unet_road@2'
    """
    return name.rpartition("/")[2]
