# SPDX-License-Identifier: Apache-2.0
"""Fetch a file of which no whole digest is known yet, and return what it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.all_tries import fetch_part
from zoo.weights.fetching.host_statements import HostStatement, ask_host_patiently
from zoo.weights.fetching.judging import Hashes, check_stated, fits, wanted
from zoo.weights.fetching.locking import only_one
from zoo.weights.fetching.part import Part
from zoo.weights.fetching.setbacks import Patience, Setback

__all__ = ["FetchedSource", "Progress", "fetch_source"]

_BLOCK_BYTES = 1 << 20
_HINT = "set --mirror or ZOO_MIRRORS to a place that has it, or try later"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """A fetched file, and what it is.

    Attributes:
        path: The file.
        sha256: Its digest as computed here, 64 hex digits.
        md5: Its md5 as computed here, 32 hex digits.
        size_bytes: Its size.
        stated: What the first host that had it stated before; None if the file was there already.
    """

    path: Path
    sha256: str
    md5: str
    size_bytes: int
    stated: HostStatement | None


def fetch_source(
    target: Path,
    digest: Digest,
    addresses: Sequence[str],
    *,
    size_bytes: int | None = None,
    patience: Patience | None = None,
    progress: Progress | None = None,
    hint: str = _HINT,
) -> FetchedSource:
    """Fetch ``target`` from the first address that has it, judged by what is known of it.

    A digest that a hub states is held against ``digest`` before any bytes flow, and the bytes are
    held against both. An interrupted run is resumed by the next: joined with bytes of another
    answer only if a whole digest decides, else only if the host says that the file is the same.

    Args:
        target: Path of the file, which a different file never had; an existing one is hashed.
        digest: What is known of the file.
        addresses: https, http, hf, github or file addresses, in the order to try.
        size_bytes: Expected size, or None.
        patience: Timeouts and number of attempts.
        progress: Called with the bytes received and the total size in bytes.
        hint: What to do if no address has the file, without a full stop.

    Raises:
        HashMismatchError: The hub states, or an address returned, another file.
        DownloadError: No address has the file or states its size, or it cannot be written.
    """
    patience = patience or Patience()
    with only_one(target):
        if target.is_file():
            return _described(target, digest, size_bytes)
        told, usable = _first_statement(target.name, digest, addresses, size_bytes, patience, hint)
        stated = [] if told.sha256 is None else [Digest("sha256", told.sha256)]
        with Part(target, [digest, *stated], told.size_bytes, with_md5=True) as part:
            fetch_part(part, usable, patience, progress, hint)
            return _result(target, part.hashes, told.size_bytes, told)


def _first_statement(
    name: str,
    digest: Digest,
    addresses: Sequence[str],
    size_bytes: int | None,
    patience: Patience,
    hint: str,
) -> tuple[HostStatement, list[str]]:
    """Return what the first host that has the file states, and the addresses to fetch it from."""
    setbacks: list[tuple[str, Setback]] = []
    for index, address in enumerate(addresses):
        try:
            told = ask_host_patiently(address, patience, is_next=True)
            if told.sha256 is not None:
                check_stated(told.sha256, [digest], name)
            if size_bytes not in (None, told.size_bytes):
                reason = f"offers {told.size_bytes} bytes, expected {size_bytes}"
                raise Setback(reason=reason)
        except Setback as setback:
            setbacks.append((shown_address(address), setback))
        else:
            return told, [told.address, *addresses[index + 1 :]]
    raise _failure(name, setbacks, hint)


def _failure(name: str, setbacks: list[tuple[str, Setback]], hint: str) -> DownloadError:
    listed = "\n".join(f"  {shown}: {setback.reason}" for shown, setback in setbacks)
    where = setbacks[0][0] if setbacks else None
    bad = next((each.mismatch for _, each in setbacks if each.mismatch is not None), None)
    if bad is not None:
        message, own = f"{bad.message}\n{listed}", "nothing was downloaded; report the file."
        digests = {"expected": bad.expected, "actual": bad.actual}
        return HashMismatchError(message, **digests, where=where, hint=own)
    message = f"cannot download {name}: all addresses failed.\n{listed}"
    hints = [each.hint for _, each in setbacks if each.hint is not None]
    return DownloadError(message, where=where, hint=hints[0] if hints else f"{hint}.")


def _described(target: Path, digest: Digest, size_bytes: int | None) -> FetchedSource:
    """Return what an existing file is, if it is the one wanted."""
    hashes, found_bytes = Hashes(with_md5=True), 0
    try:
        with target.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                hashes.update(block)
                found_bytes += len(block)
    except OSError as error:
        message = f"cannot read {target.name!r}: {error.strerror or error}."
        hint = "check the permissions of the file."
        raise DownloadError(message, where=target, hint=hint) from error
    is_right = fits(digest, hashes.sha256, hashes.md5) and size_bytes in (None, found_bytes)
    if not is_right:
        message = f"cannot accept {target.name}: sha256 is {hashes.sha256}, "
        message += f"expected {wanted(digest)}."
        digests = {"expected": digest.value, "actual": hashes.sha256}
        hint = "remove it and run it again."
        raise HashMismatchError(message, **digests, where=target, hint=hint)
    return _result(target, hashes, found_bytes, None)


def _result(
    target: Path, hashes: Hashes, size_bytes: int, told: HostStatement | None
) -> FetchedSource:
    return FetchedSource(target, hashes.sha256, str(hashes.md5), size_bytes, told)
