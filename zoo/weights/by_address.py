# SPDX-License-Identifier: Apache-2.0
"""Fetch a file by address and digest, without a row that states its size."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.cache import address_filename, cache_folder, cached_files
from zoo.weights.download import add_to_cache
from zoo.weights.fetching.addresses import (
    is_local,
    is_offline,
    mirror_addresses,
    shown_address,
    user_mirrors,
)
from zoo.weights.fetching.all_tries import fetch_file
from zoo.weights.fetching.host_statements import HostStatement, ask_host_patiently
from zoo.weights.fetching.judging import check_stated
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.files import check_file, first_that_holds
from zoo.weights.lock import check_locked

__all__ = ["fetch_address", "fetch_pinned"]

_LOG = logging.getLogger("zoo")
_HINT = "check the address, or get the file another way and pass its path"
_NAME_LIMIT = 200

Progress = Callable[[int, int], None]


def fetch_address(
    address: str,
    sha256: str,
    *,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the verified file with a digest from the cache; fetch it if it does not exist.

    The address and the size, which is requested first, are logged. The file keeps the suffix of
    the address, which determines its format.

    Args:
        address: https, http, hf, github or file. A branch of a hub is looked up once; the log
            states its commit.
        sha256: Expected digest, 64 hex digits, lower case.
        patience: Timeouts and number of attempts.
        progress: Called with the bytes received and the total size in bytes.

    Raises:
        HashMismatchError: The downloaded or the cached file has another digest.
        DownloadError: The address does not have the file or does not report its size, zoo is
            offline, or the cache cannot be written.
    """
    return _fetch(address, sha256, None, patience, progress)


def _fetch(
    address: str,
    sha256: str,
    expected_bytes: int | None,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Path:
    check_locked(shown_address(address), sha256)
    target = cache_folder() / sha256 / _filename(address)
    cached = _cached(target, sha256)
    if cached is not None:
        _LOG.info("%s is in the cache: %s", shown_address(address), cached)
        if cached.suffix == target.suffix:
            return cached
        return add_to_cache(cached, sha256, cached.stat().st_size, target.name)
    if is_offline() and not is_local(address):
        message = f"cannot download {target.name} offline: it is not in the cache."
        hint = "unset ZOO_OFFLINE, or pass a file."
        raise DownloadError(message, where=shown_address(address), hint=hint)
    patience = patience or Patience()
    told = _ask(address, target.name, sha256, patience)
    shown, found = shown_address(address), shown_address(told.address)
    if found != shown:
        _LOG.info("%s is now %s", shown, found)
    size_bytes = told.size_bytes
    if expected_bytes not in (None, size_bytes):
        message = f"cannot accept {target.name}: it has {size_bytes} bytes, expected "
        message += f"{expected_bytes}."
        hint = "nothing was downloaded; check the address."
        digests = {"expected": sha256, "actual": "not computed"}
        raise HashMismatchError(message, **digests, where=found, hint=hint)
    _LOG.info("downloading %s, %.1f MB, to %s", found, size_bytes / 1e6, target)
    return fetch_file(
        target, sha256, size_bytes, [told.address], patience=patience, progress=progress, hint=_HINT
    )


def fetch_pinned(
    name: str,
    sha256: str,
    size_bytes: int,
    *,
    source: str | os.PathLike[str] | None = None,
    hint: str,
) -> Path:
    """Return a verified file that a plugin needs and does not bring: from the cache, or fetched.

    Whatever the place, the digest decides. A given file is copied into the cache, so that the next
    call needs no ``source``.

    Args:
        name: Its name in the cache and on mirrors, with its suffix.
        sha256: Expected digest, 64 hex digits, lower case.
        size_bytes: Expected size.
        source: A file or an address of it; None for the cache, then the mirrors of ``ZOO_MIRRORS``.
        hint: How the user gets it, as one command.

    Raises:
        HashMismatchError: The file has another size, of which nothing is fetched, or digest.
        DownloadError: There is none, or the cache cannot be written.
    """
    if source is not None and "://" in os.fspath(source):
        return _fetch(os.fspath(source), sha256, size_bytes)
    if source is not None:
        check_file(Path(source), sha256, size_bytes)
        return add_to_cache(Path(source), sha256, size_bytes, name)
    target = cache_folder() / sha256 / name
    cached = _cached(target, sha256)
    if cached is not None:
        return cached
    bases = [base for base in user_mirrors() if is_local(base) or not is_offline()]
    addresses = [one for base in bases for one in mirror_addresses(base, sha256, name)]
    if not addresses:
        message = f"cannot find {name}: it is neither in the cache nor on a mirror."
        raise DownloadError(message, where=target, hint=hint)
    return fetch_file(target, sha256, size_bytes, addresses, hint=hint)


def _cached(target: Path, sha256: str) -> Path | None:
    """Return the verified file with a digest from the cache, whatever its name."""
    files = sorted(cached_files(sha256), key=lambda path: path != target)
    path, damaged = first_that_holds(files, sha256)
    if damaged is not None:
        if path is None:
            raise damaged
        _LOG.warning("%s", damaged.message)
    return path


def _ask(address: str, name: str, sha256: str, patience: Patience) -> HostStatement:
    where = shown_address(address)
    try:
        told = ask_host_patiently(address, patience, is_next=True)
        if told.sha256 is not None:
            check_stated(told.sha256, [Digest("sha256", sha256)], name)
    except Setback as setback:
        if setback.mismatch is not None:
            bad = setback.mismatch
            digests = {"expected": bad.expected, "actual": bad.actual}
            hint = "nothing was downloaded; check the requested sha256, or report the file."
            raise HashMismatchError(bad.message, **digests, where=where, hint=hint) from setback
        message = f"cannot download {name}: all addresses failed.\n  {where}: {setback.reason}"
        hint = setback.hint or f"{_HINT}."
        raise DownloadError(message, where=where, hint=hint) from setback
    return told


def _filename(address: str) -> str:
    """Return the last part of an address as a plain file name with its suffix."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", address_filename(address))[-_NAME_LIMIT:].lstrip("._-")
    return "weights" if not plain or plain.endswith((".part", ".part.json")) else plain
