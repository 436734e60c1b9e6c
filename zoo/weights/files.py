# SPDX-License-Identifier: Apache-2.0
"""From a ``[[weights]]`` row to a file on this disk whose size and sha256 were checked."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import Found
from zoo.errors import DownloadError, HashMismatchError
from zoo.files import digest_of_file
from zoo.manifest.rows import WeightsRow
from zoo.weights.cache import cached_files, weights_filename
from zoo.weights.row_check import check_row

__all__ = [
    "Place",
    "check_file",
    "find_place",
    "find_weights_file",
    "first_that_holds",
    "local_files",
    "mirror_hint",
    "verify_file",
    "weights_row",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file of a weights row is, by its size alone: nothing is hashed.

    Attributes:
        state: ``shipped`` in the package, ``cached``, ``damaged`` (of another size), ``to fetch``,
            or ``missing`` where no address is known either.
        path: The file, or None.
    """

    state: str
    path: Path | None = None


_LOG = logging.getLogger("zoo")
_PACKAGE = "package:"


def find_weights_file(found: Found) -> Path:
    """Return the file of a weights row, its size and sha256 verified.

    A file inside the plugin's package comes first, then the cache's; of those whose bytes do not
    hold before one that does, the log tells. Nothing is fetched, nothing is written and no lock is
    taken, so a cache that is shared read-only will do.

    Args:
        found: A row of kind ``weights``, as the catalog returns it.

    Raises:
        HashMismatchError: Files are there, and none is the promised one.
        DownloadError: No file is there; says from where, and how to get it.
        ManifestError: The row says otherwise than the file.
    """
    row = weights_row(found)
    path, damaged = first_that_holds(local_files(found), row.sha256, row.size_bytes)
    if path is not None:
        if damaged is not None:
            _LOG.warning("%s", damaged.message)
        check_row(found, path)
        return path
    raise damaged or _absent(found, row)


def weights_row(found: Found) -> WeightsRow:
    """Return the row of a find, which is to be one of weights.

    Args:
        found: A row and its plugin.

    Raises:
        DownloadError: It is of another kind.
    """
    row = found.row
    if not isinstance(row, WeightsRow):
        msg = f"cannot find a file for {row.name!r}: it is a {row.kind}, expected weights."
        raise DownloadError(msg, hint="zoo list shows all weights.")
    return row


def local_files(found: Found) -> Iterator[Path]:
    """Yield where a row's file lies on this machine, not verified: its package, the cache.

    Args:
        found: A row of weights and its plugin.
    """
    row = weights_row(found)
    for url in row.urls:
        if url.startswith(_PACKAGE):
            path = found.record.file(url.removeprefix(_PACKAGE))
            if os.path.isfile(path):
                yield path
    yield from cached_files(row.sha256)


def find_place(found: Found) -> Place:
    """Return where a row's file is on this machine; a cache that cannot be read holds none.

    Args:
        found: A row of kind ``weights``, as the catalog returns it.
    """
    row = weights_row(found)
    damaged = None
    try:
        for path in local_files(found):
            if path.stat().st_size == row.size_bytes:
                is_shipped = path.is_relative_to(found.record.checked().folder)
                return Place("shipped" if is_shipped else "cached", path)
            damaged = path
    except (OSError, DownloadError):
        pass
    if damaged is not None:
        return Place("damaged", damaged)
    is_elsewhere = any(not url.startswith(_PACKAGE) for url in row.urls)
    return Place("to fetch" if is_elsewhere else "missing")


def first_that_holds(
    paths: Iterable[Path], sha256: str, size_bytes: int | None = None
) -> tuple[Path | None, HashMismatchError | None]:
    """Return the first file whose bytes hold, and what is wrong with the last one before it.

    Args:
        paths: Files to check, in order.
        sha256: Expected digest, 64 hex digits.
        size_bytes: Expected size; None skips that check.

    Raises:
        DownloadError: One cannot be read.
    """
    damaged = None
    for path in paths:
        try:
            check_file(path, sha256, size_bytes)
        except HashMismatchError as error:
            damaged = error
        else:
            return path, damaged
    return None, damaged


def verify_file(path: Path, row: WeightsRow) -> None:
    """Raise unless the file has the row's size and sha256.

    Args:
        path: The file to check.
        row: A row of weights.

    Raises:
        HashMismatchError: It has another; the file is left as it is.
        DownloadError: It cannot be read.
    """
    check_file(path, row.sha256, row.size_bytes)


def check_file(path: Path, sha256: str, size_bytes: int | None = None) -> None:
    """Raise unless a file has this sha256, and this size where one is given.

    Args:
        path: The file to check.
        sha256: Expected digest, 64 hex digits.
        size_bytes: Expected size; None skips that check.

    Raises:
        HashMismatchError: It has another; the file is left as it is.
        DownloadError: It cannot be read.
    """
    hint = "remove it (`zoo cache rm`, if it is in the cache) and download it again, or tell its "
    hint += "author."
    try:
        found_bytes = path.stat().st_size
        if size_bytes is not None and found_bytes != size_bytes:
            msg = f"cannot accept {path.name}: it has {found_bytes} bytes, expected {size_bytes}."
            raise HashMismatchError(
                msg, expected=sha256, actual="not computed", where=path, hint=hint
            )
        actual = digest_of_file(path)
    except OSError as error:
        msg = f"cannot read the weights {path.name!r}: {error.strerror or error}."
        raise DownloadError(msg, where=path, hint="check the permissions of the file.") from error
    if actual != sha256:
        msg = f"cannot accept {path.name}: sha256 is {actual}, expected {sha256}."
        raise HashMismatchError(msg, expected=sha256, actual=actual, where=path, hint=hint)


def mirror_hint(row: WeightsRow) -> str:
    """Return what to do where a package lacks its file: to install it again would change nothing.

    Args:
        row: One whose only places are inside the package.
    """
    place = f"where PLACE is a folder or an address that has {weights_filename(row)}"
    return f"zoo download {row.name} --mirror PLACE, {place}; ask the plugin's author for one."


def _absent(found: Found, row: WeightsRow) -> DownloadError:
    where = ", ".join([f"plugin {found.record.name}", *row.urls[:1]])
    if not row.urls:
        msg = f"cannot find the weights {row.name!r}: their converted file is not on this machine."
        hint = f"zoo rescue FOLDER again, or zoo download {row.name} --mirror PLACE."
        return DownloadError(msg, where=where, hint=hint)
    if all(url.startswith(_PACKAGE) for url in row.urls):
        msg = f"cannot find the weights {row.name!r}: the package lacks {weights_filename(row)}."
        return DownloadError(msg, where=where, hint=mirror_hint(row))
    msg = f"cannot find the weights {row.name!r}: they are not on this machine."
    return DownloadError(msg, where=where, hint=f"zoo download {row.name}")
