# SPDX-License-Identifier: Apache-2.0
"""Add a source, update it, remove it; what is refused leaves everything as it was."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from zoo.errors import ConflictError, UnknownNameError
from zoo.names import hint_near, near_names
from zoo.texts import shown
from zoo.weights.sources.book import (
    Source,
    change_book,
    index_path,
    read_book,
    rows_path,
    write_bytes,
    writing,
)
from zoo.weights.sources.index import Index, check_scope, moment_text, read_index
from zoo.weights.sources.requesting import folder_of, index_address
from zoo.weights.sources.row_addresses import AddressRule, is_private_place
from zoo.weights.sources.rows_file import named_in_scope, write_rows
from zoo.weights.sources.signing import read_fingerprint
from zoo.weights.sources.trust import (
    Signed,
    check_index,
    check_key,
    check_succeeds,
    fetch_changed,
    fetch_signed,
)

__all__ = ["Update", "add_source", "find_source", "remove_source", "update_source"]

_Book = dict[str, Source]


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

    Attributes:
        source: The source as it is now.
        before: The source as it was.
    """

    source: Source
    before: Source

    @property
    def is_changed(self) -> bool:
        """Return whether the index is another one."""
        return self.source.digest != self.before.digest


def add_source(
    location: str,
    *,
    key: str | None = None,
    name: str | None = None,
    tolerates: bool = False,
    allows_private: bool = False,
    taken: Collection[str] = (),
) -> Source:
    """Fetch, check and keep an index; its rows can be used from then on.

    Args:
        location: Address or path of the index or its folder.
        key: Fingerprint or file of the public key that must have signed it; None trusts the key
            that did.
        name: Scope of its rows, instead of the name in the index.
        tolerates: Whether to accept an index without a signature, or an expired one.
        allows_private: Whether its rows may name hosts of a private network; so they may if the
            index itself lies there.
        taken: Names that no source may have, such as those of plugins.

    Raises:
        SourceError: It cannot be fetched, read or trusted; or nothing can be written.
        ConflictError: Another source, or a plugin, has that name; or the source is known.
    """
    pinned = None if key is None else read_fingerprint(key)
    address = index_address(location)
    _check_address(read_book(), address)
    signed = fetch_signed(address)
    check_key(signed, pinned, tolerates=tolerates)
    allows_private = allows_private or is_private_place(address)
    base = folder_of(address, signed.document.commit)
    index = read_index(signed.data, signed.where, AddressRule(base, allows_private))
    check_index(index, signed, tolerates=tolerates)
    scope = name or index.name
    check_scope(scope)

    def change(sources: _Book, source: Source) -> _Book:
        _check_address(sources, address)
        _check_name(scope, signed.where, {**dict.fromkeys(taken, "a plugin"), **_named(sources)})
        return {**sources, scope: source}

    source = Source(
        name=scope,
        address=address,
        tolerates=tolerates,
        allows_private=allows_private,
        **_facts(index, signed, base),
    )
    change(read_book(), source)  # before anything is written
    return _keep(source, index, signed, change)


def update_source(name: str) -> Update:
    """Compare a source with its server, and take its new index if it has one.

    Args:
        name: Name of the source.

    Raises:
        UnknownNameError: There is no such source.
        SourceError: The index cannot be fetched, read or trusted; the old one is kept.
    """
    known = find_source(read_book(), name)
    signed = fetch_changed(known)
    if signed is None or signed.digest == known.digest:
        checked = replace(known, checked=_now())
        sources = change_book(lambda found: _replaced(found, checked))
        return Update(sources.get(name, checked), known)
    check_key(signed, known.key, tolerates=known.tolerates)
    base = folder_of(known.address, signed.document.commit)
    index = read_index(signed.data, signed.where, AddressRule(base, known.allows_private))
    check_succeeds(index, signed, known)
    check_index(index, signed, tolerates=known.tolerates, known=known)
    source = replace(known, **_facts(index, signed, base))
    return Update(_keep(source, index, signed, _replaced), known)


def _replaced(found: _Book, source: Source) -> _Book:
    """Return the book with a new state of a source, unless another process was faster."""
    present = found.get(source.name)
    if present is None or present.address != source.address or present.sequence > source.sequence:
        return found
    if present.key not in (None, source.key):  # removed and added again, with another key
        return found
    return {**found, source.name: source}


def remove_source(name: str) -> Source:
    """Forget a source with its rows; files of weights stay in the cache.

    Args:
        name: Name of the source.

    Returns:
        The source as it was.

    Raises:
        UnknownNameError: There is no such source.
        SourceError: Nothing can be written.
    """
    found = find_source(read_book(), name)
    change_book(lambda sources: {key: each for key, each in sources.items() if key != name})
    return found


def find_source(sources: _Book, name: str) -> Source:
    """Return a source by name.

    Args:
        sources: The book.
        name: Name of the source.

    Raises:
        UnknownNameError: There is none; near names are listed.
    """
    if name in sources:
        return sources[name]
    near = near_names(name, sources)
    hint = hint_near(near, "zoo source list shows all.")
    message = f"no source named {shown(name)}."
    raise UnknownNameError(message, kind="source", name=name, near=near, hint=hint)


def _keep(
    source: Source, index: Index, signed: Signed, change: Callable[[_Book, Source], _Book]
) -> Source:
    """Write the files of an index, then the book that names them; return the source as it is."""
    with writing() as folder:
        rows = named_in_scope(index.rows, source.name)
        digest = write_rows(rows_path(source, folder), rows)
        write_bytes(index_path(source, folder), signed.data)
    source = replace(source, rows_digest=digest)
    return change_book(lambda found: change(found, source)).get(source.name, source)


def _facts(index: Index, signed: Signed, base: str) -> dict[str, Any]:
    return {
        "declared": index.name,
        "key": signed.key,
        "sequence": index.sequence,
        "created": moment_text(index.created),
        "expires": moment_text(index.expires),
        "licence": index.licence,
        "homepage": index.homepage,
        "rows": len(index.rows),
        "replaces": sum(bool(row.replaces) for row in index.rows),
        "digest": signed.digest,
        "rows_digest": "",
        "checked": _now(),
        "base": base,
        "etag": signed.document.etag,
        "modified": signed.document.modified,
    }


def _now() -> str:
    return moment_text(datetime.now(UTC))


def _named(sources: _Book) -> dict[str, str]:
    return {name: f"the source at {source.address}" for name, source in sources.items()}


def _check_name(scope: str, where: str, owners: dict[str, str]) -> None:
    if scope in owners:
        message = f"cannot add the source {scope!r}: {owners[scope]} has that name."
        hint = "zoo source add --as NAME gives it another one."
        raise ConflictError(message, first=owners[scope], second=where, hint=hint)


def _check_address(sources: _Book, address: str) -> None:
    for name, source in sources.items():
        if source.address == address:
            message = f"cannot add the source at {address}: {name!r} is that source."
            hint = f"zoo source update {name}"
            raise ConflictError(message, first=name, second=address, hint=hint)
