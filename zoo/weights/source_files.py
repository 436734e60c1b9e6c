# SPDX-License-Identifier: Apache-2.0
"""The source of a living row: where it may come from, and where it lies until it is converted."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from zoo.errors import DownloadError
from zoo.files import is_held
from zoo.manifest.rows import Digest, LivingRow
from zoo.weights.cache import address_filename, cache_folder, is_plain_file_name, plain_name
from zoo.weights.fetching.addresses import (
    is_local,
    is_offline,
    mirror_addresses,
    shown_address,
    user_mirrors,
)
from zoo.weights.fetching.sources import FetchedSource, Progress, fetch_source

__all__ = [
    "fetch_row_source",
    "find_sources",
    "is_fetched_now",
    "remove_source",
    "source_addresses",
    "source_name",
]

_PREFIX = ".source-"
_PACKAGE = "package:"


def source_name(row: LivingRow) -> str:
    """Return the file name of a row's source on mirrors and in the cache.

    Args:
        row: The living row.
    """
    name = address_filename(row.urls[0])
    return name if is_plain_file_name(name) else f"{plain_name(row.name)}.{row.format}"


def source_addresses(
    row: LivingRow,
    digest: Digest,
    mirrors: Sequence[str] = (),
    *,
    offline: bool = False,
    folder: Path | None = None,
) -> tuple[str, ...]:
    """Return the addresses of a row's source in the order to try, the user's mirrors first.

    A mirror cannot stand in where nothing but a host's revision says which file is meant.

    Args:
        row: The living row.
        digest: What is known of the bytes: the row's digest, or that of a pin.
        mirrors: Values of ``--mirror``.
        offline: Whether to leave out addresses that need network access.
        folder: Folder of the plugin's package, in which ``package:`` addresses lie.
    """
    name = source_name(row)
    listed: list[str] = []
    for mirror in user_mirrors(mirrors) if digest.kind != "revision" else ():
        places = mirror_addresses(mirror, digest.value, name)
        listed += places if digest.is_full else places[-1:]  # the last is by name alone
    own = [_local(url, folder) for url in row.urls]
    addresses = tuple(dict.fromkeys([*listed, *own]))
    return tuple(each for each in addresses if is_local(each) or not is_offline(offline))


def _local(url: str, folder: Path | None) -> str:
    """Return an address; that of a file in the package as one of this machine."""
    if folder is None or not url.startswith(_PACKAGE):
        return url
    return (folder.absolute() / url.removeprefix(_PACKAGE)).as_uri()


def fetch_row_source(
    row: LivingRow,
    digest: Digest,
    addresses: Sequence[str],
    *,
    progress: Progress | None = None,
) -> FetchedSource:
    """Return the source of a row from the first address that has bytes which the digest allows.

    It lies in the cache; an interrupted run leaves a part, which the next one resumes.

    Args:
        row: The living row.
        digest: What is known of the bytes.
        addresses: Addresses from `source_addresses`.
        progress: Called with the bytes received and the total size in bytes.

    Raises:
        HashMismatchError: An address had other bytes; nothing of them is kept.
        DownloadError: No address has the file.
    """
    if not addresses:
        message = f"cannot get the source of {row.name!r}: no address may be used offline."
        hint = "drop --offline and ZOO_OFFLINE, or name a folder that has it with --mirror."
        raise DownloadError(message, where=shown_address(row.urls[0]), hint=hint)
    target = _folder(row, digest) / source_name(row)
    return fetch_source(target, digest, addresses, size_bytes=row.size_bytes, progress=progress)


def _folder(row: LivingRow, digest: Digest) -> Path:
    """Return the folder of a source: by its digest, as every file in the cache, if that is known.

    Otherwise its name is made of all that says which file is meant.
    """
    if digest.is_full:
        return cache_folder() / digest.value
    meant = "\n".join([digest.kind, digest.value, *row.urls])
    return cache_folder() / f"{_PREFIX}{hashlib.sha256(meant.encode()).hexdigest()[:16]}"


def find_sources() -> tuple[Path, ...]:
    """Return the folders of sources without a full digest, which interrupted runs left, sorted."""
    try:
        return tuple(sorted(cache_folder().glob(f"{_PREFIX}*")))
    except OSError:  # unreadable; listing the cache reports it
        return ()


def is_fetched_now(folder: Path) -> bool:
    """Return whether a live process fetches into a folder of a source.

    Args:
        folder: One of `find_sources`.
    """
    return any(is_held(lock) for lock in folder.glob(".*.lock"))


def remove_source(path: Path) -> None:
    """Remove a source that was converted, and its folder if that is then empty.

    Args:
        path: The file, in the cache.
    """
    if path.parent.name.startswith(_PREFIX):
        shutil.rmtree(path.parent, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()
