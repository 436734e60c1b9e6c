# SPDX-License-Identifier: Apache-2.0
"""Find the local file of a ``[[weights]]`` row and verify its size and sha256."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import Found
from zoo.errors import DownloadError, HashMismatchError
from zoo.files import digest_of_file
from zoo.manifest.addresses import shown_address
from zoo.manifest.rows import LivingRow, WeightsRow
from zoo.weights.cache import cached_files, weights_filename
from zoo.weights.lock import check_locked, find_pin
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
    """Location of the file of a row, judged by its size without hashing.

    Attributes:
        state: ``shipped`` in the package, ``cached``, ``damaged`` (of another size), ``to fetch``,
            or ``missing`` if no address is known; of a living row, ``adopted``, ``damaged``,
            ``to fetch``, or ``to pin`` if that takes ``zoo download --pin``.
        path: The file, or None.
    """

    state: str
    path: Path | None = None


_LOG = logging.getLogger("zoo")
_PACKAGE = "package:"


def find_weights_file(found: Found) -> Path:
    """Return the file of a row after verifying its size and sha256.

    A file in the plugin's package comes first, then the cache. Damaged files before a good one are
    logged. Nothing is downloaded, written or locked, so a read-only shared cache works.

    Args:
        found: A row of kind ``weights`` from the catalog.

    Raises:
        HashMismatchError: Files exist, but none has the right digest.
        DownloadError: There is no file; the message states where to get it, and how. Or
            ``ZOO_FROZEN`` is set, and the lock does not hold it.
        ManifestError: The row contradicts the file.
    """
    row = weights_row(found)
    check_locked(row.name, row.sha256)
    path, damaged = first_that_holds(local_files(found), row.sha256, row.size_bytes)
    if path is not None:
        if damaged is not None:
            _LOG.warning("%s", damaged.message)
        check_row(found, path)
        return path
    raise damaged or _absent(found, row)


def weights_row(found: Found) -> WeightsRow:
    """Return the row of a lookup result if it is a row of weights.

    Args:
        found: A row and its plugin.

    Raises:
        DownloadError: It is of another kind.
    """
    row = found.row
    if isinstance(row, LivingRow):
        msg = f"cannot find a file for the weights {row.name!r}: they are not adopted yet."
        pin = "" if row.digest.is_full else " --pin"
        raise DownloadError(
            msg, where=shown_address(row.urls[0]), hint=f"zoo download {row.name}{pin}"
        )
    if not isinstance(row, WeightsRow):
        msg = f"cannot find a file for {row.name!r}: it is a {row.kind}, expected weights."
        raise DownloadError(msg, hint="zoo list shows all weights.")
    return row


def local_files(found: Found) -> Iterator[Path]:
    """Yield the local files of a row in its package and the cache, not verified.

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


def find_place(found: Found, cached: Container[str] | None = None) -> Place:
    """Return the location of a row's file; an unreadable cache or lock counts as empty.

    Args:
        found: A row of kind ``weights`` from the catalog.
        cached: Digests of which the cache may have a file; None to look.
    """
    if isinstance(found.row, LivingRow):
        return _find_adopted(found, found.row)
    row = weights_row(found)
    is_shipped = any(url.startswith(_PACKAGE) for url in row.urls)
    is_here = is_shipped or cached is None or row.sha256 in cached
    damaged = None
    try:
        for path in local_files(found) if is_here else ():
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


def _find_adopted(found: Found, row: LivingRow) -> Place:
    pin = None
    with suppress(DownloadError):
        pin = find_pin(row.name, found.record.name)
    if pin is None:
        return Place("to fetch" if row.digest.is_full else "to pin")
    damaged = None
    with suppress(OSError, DownloadError):
        for path in cached_files(pin.sha256):
            if path.stat().st_size == pin.size_bytes:
                return Place("adopted", path)
            damaged = path
    return Place("to fetch") if damaged is None else Place("damaged", damaged)


def first_that_holds(
    paths: Iterable[Path], sha256: str, size_bytes: int | None = None
) -> tuple[Path | None, HashMismatchError | None]:
    """Return the first intact file, and the error of the last damaged one before it.

    Args:
        paths: Files to check, in order.
        sha256: Expected digest, 64 hex digits.
        size_bytes: Expected size; None skips that check.

    Raises:
        DownloadError: A file cannot be read.
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
    """Raise an error unless the file has the size and sha256 of the row.

    Args:
        path: The file to check.
        row: A row of weights.

    Raises:
        HashMismatchError: Size or digest differs; the file is not changed.
        DownloadError: It cannot be read.
    """
    check_file(path, row.sha256, row.size_bytes)


def check_file(path: Path, sha256: str, size_bytes: int | None = None) -> None:
    """Raise an error unless a file has this sha256 and, if given, this size.

    Args:
        path: The file to check.
        sha256: Expected digest, 64 hex digits.
        size_bytes: Expected size; None skips that check.

    Raises:
        HashMismatchError: Size or digest differs; the file is not changed.
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
    """Return the hint for a package that lacks its file, which reinstalling would not fix.

    Args:
        row: A row whose only addresses are inside the package.
    """
    place = f"where PLACE is a folder or an address that has {weights_filename(row)}"
    return f"zoo download {row.name} --mirror PLACE, {place}; ask the plugin's author for one."


def _absent(found: Found, row: WeightsRow) -> DownloadError:
    where = ", ".join([found.record.label, *map(shown_address, row.urls[:1])])
    if not row.urls:
        msg = f"cannot find the weights {row.name!r}: their converted file is not on this machine."
        hint = f"zoo rescue FOLDER again, or zoo download {row.name} --mirror PLACE."
        return DownloadError(msg, where=where, hint=hint)
    if all(url.startswith(_PACKAGE) for url in row.urls):
        msg = f"cannot find the weights {row.name!r}: the package lacks {weights_filename(row)}."
        return DownloadError(msg, where=where, hint=mirror_hint(row))
    msg = f"cannot find the weights {row.name!r}: they are not on this machine."
    return DownloadError(msg, where=where, hint=f"zoo download {row.name}")
