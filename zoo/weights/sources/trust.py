# SPDX-License-Identifier: Apache-2.0
"""Whether an index can be trusted: its signature, its key, its age, its number.

A source keeps the key that signed its first index. A later index must be signed by the same key,
have the same name, and a number that has not fallen.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from zoo.errors import SourceError
from zoo.weights.fetching.addresses import is_local, shown_address
from zoo.weights.sources.book import Source
from zoo.weights.sources.index import INDEX_LIMITS, Index, moment_text
from zoo.weights.sources.requesting import Document, fetch_document, folder_of
from zoo.weights.sources.signing import SIGNATURE_LIMITS, SIGNATURE_SUFFIX, verify

__all__ = ["Signed", "check_index", "check_key", "check_succeeds", "fetch_changed", "fetch_signed"]


@dataclass(frozen=True, slots=True)
class Signed:
    """The bytes of an index.

    Attributes:
        data: The bytes.
        key: Fingerprint of the key that signed them, or None.
        document: What the server said of them.
        where: Address for messages.
    """

    data: bytes
    key: str | None
    document: Document
    where: str

    @property
    def digest(self) -> str:
        """Return the sha256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


def fetch_signed(address: str) -> Signed:
    """Return an index whose signature, if it has one, fits.

    A new index may lie beside the old signature while both are being uploaded, so one that does not
    fit is fetched once more.

    Args:
        address: https, http, hf or file.

    Raises:
        SourceError: There is no index, it cannot be fetched, or its signature does not fit.
    """
    return _signed(address, fetch_document(address, INDEX_LIMITS.size_bytes))


def fetch_changed(source: Source) -> Signed | None:
    """Return the index of a source as `fetch_signed` does, or None if it has not changed.

    Args:
        source: The source.

    Raises:
        SourceError: There is no index, it cannot be fetched, or its signature does not fit.
    """
    limit = INDEX_LIMITS.size_bytes
    document = fetch_document(source.address, limit, etag=source.etag, modified=source.modified)
    if document is not None and document.data is None:
        return None
    return _signed(source.address, document)


def _signed(address: str, document: Document | None) -> Signed:
    try:
        return _verified(address, document)
    except _UnfitError:
        if is_local(address):
            raise
    return _verified(address, fetch_document(address, INDEX_LIMITS.size_bytes))


class _UnfitError(SourceError):
    """A signature that does not fit the index beside it."""


def _verified(address: str, document: Document | None) -> Signed:
    where = shown_address(address)
    if document is None or document.data is None:
        message = f"cannot fetch the index: there is none at {where}."
        raise SourceError(message, where=where, hint="check the address, or tell its publisher.")
    # Of a hub, the signature of the same commit.
    beside = f"{folder_of(address, document.commit)}{address.rpartition('/')[2]}"
    signature = fetch_document(f"{beside}{SIGNATURE_SUFFIX}", SIGNATURE_LIMITS.size_bytes)
    if signature is None or signature.data is None:
        return Signed(document.data, None, document, where)
    try:
        key = verify(document.data, signature.data, where)
    except SourceError as error:
        raise _UnfitError(error.message, where=error.where, hint=error.hint) from error
    return Signed(document.data, key.fingerprint, document, where)


def check_key(signed: Signed, pinned: str | None, *, tolerates: bool) -> None:
    """Raise an error unless an index is signed by the key that is expected, or by any if none is.

    Args:
        signed: The index.
        pinned: Fingerprint of the expected key, or None.
        tolerates: Whether an index without a signature is accepted where no key is expected.

    Raises:
        SourceError: It is signed by another key, or not at all.
    """
    if signed.key is None and pinned is not None:
        message = f"cannot trust the index: it has no signature, expected one of {pinned}."
        hint = f"tell its publisher that {signed.where}{SIGNATURE_SUFFIX} is missing."
        raise SourceError(message, where=signed.where, hint=hint)
    if signed.key is None and not tolerates:
        message = f"cannot trust the index: there is no signature at {signed.where}"
        message += f"{SIGNATURE_SUFFIX}."
        hint = "zoo source add --unsigned takes it all the same, and marks its rows."
        raise SourceError(message, where=signed.where, hint=hint)
    if signed.key is not None and pinned not in (None, signed.key):
        message = f"cannot trust the index: it is signed by {signed.key}, expected {pinned}."
        hint = "ask its publisher whether the key has changed; if so, zoo source remove and add "
        hint += "the source again with --key and the new key."
        raise SourceError(message, where=signed.where, hint=hint)


def check_index(
    index: Index, signed: Signed, *, tolerates: bool, known: Source | None = None
) -> None:
    """Raise an error if an index names another key than its signature's, or has expired.

    Args:
        index: The index.
        signed: Its bytes.
        tolerates: Whether an expired index, and one that lacks its signature, is accepted.
        known: The source, if it was added before.

    Raises:
        SourceError: One of these holds.
    """
    if index.key != signed.key and not (tolerates and signed.key is None):
        message = f"cannot trust the index: it names the key {index.key or 'of nobody'}, and is "
        message += f"signed by {signed.key or 'nobody'}."
        raise SourceError(message, where=signed.where, hint="tell its publisher.")
    if index.expires <= datetime.now(UTC) and not tolerates:
        message = f"cannot trust the index: it expired at {moment_text(index.expires)}."
        hint = "ask its publisher for a new one; zoo source add --unsigned takes it all the same, "
        hint += "and marks its rows."
        if known is not None:  # whose rows stay in use
            hint = f"ask its publisher for a new one; or zoo source remove {known.name}, then "
            hint += f"zoo source add {known.address} --unsigned, which marks its rows."
        raise SourceError(message, where=signed.where, hint=hint)


def check_succeeds(index: Index, signed: Signed, known: Source) -> None:
    """Raise an error unless an index, other than the known one, can be its successor.

    Args:
        index: The new index.
        signed: Its bytes.
        known: The source as it is known.

    Raises:
        SourceError: It has another name, or a number that is not higher.
    """
    hint = "try again later, in case an old copy is served; else tell its publisher."
    if index.name != known.declared:
        message = f"cannot update {known.name!r}: the index is called {index.name!r}, expected "
        message += f"{known.declared!r}."
        raise SourceError(message, source=known.name, where=signed.where, hint=hint)
    if index.sequence <= known.sequence:
        kind = "the older index" if index.sequence < known.sequence else "another index"
        message = f"cannot update {known.name!r}: found {kind} number {index.sequence}, "
        message += f"expected one after {known.sequence}."
        raise SourceError(message, source=known.name, where=signed.where, hint=hint)
