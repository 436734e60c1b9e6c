# SPDX-License-Identifier: Apache-2.0
"""What ``zoo download --pin`` shows: who states what about a file, and what was computed here."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.catalog import Found
from zoo.engine.adoption.licences import find_restriction
from zoo.manifest.rows import LivingRow
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.judging import wanted
from zoo.weights.fetching.sources import FetchedSource
from zoo.weights.lock import Pin, lock_file

__all__ = ["foretold", "told_afterwards"]


def foretold(found: Found, row: LivingRow) -> Iterator[str]:
    """Yield what a row says of its weights, before any byte comes.

    Args:
        found: The row and its plugin.
        row: The same row.
    """
    restriction = find_restriction(row)
    yield f"{row.name}, listed by the {found.record.label}"
    yield f"  from: {shown_address(row.urls[0])}"
    yield f"  licence: {row.licence}" + (f", which {restriction}" if restriction else "")
    yield f"  licence of the data: {row.data_licence}"
    yield f"  facts seen in: {row.source or 'not stated'}"
    yield f"  the row states: {_stated(row)}"


def told_afterwards(source: FetchedSource, pin: Pin) -> Iterator[str]:
    """Yield what the host stated, what was computed, and what was made of it.

    Args:
        source: The fetched source.
        pin: What was pinned.
    """
    if source.stated is not None:
        digest = f"sha256 {source.stated.sha256}" if source.stated.sha256 else "no digest"
        commit = f", commit {source.stated.commit}" if source.stated.commit else ""
        yield f"  the host states: {digest}, {source.stated.size_bytes:,} bytes{commit}"
    yield f"  computed: sha256 {source.sha256}, {source.size_bytes:,} bytes"
    by = "as it is" if pin.converter is None else f"by {pin.converter}, version "
    by += "" if pin.converter is None else str(pin.converter_version)
    yield f"  converted {by}: sha256 {pin.sha256}, {pin.size_bytes:,} bytes"
    yield f"  pinned in {lock_file()}"


def _stated(row: LivingRow) -> str:
    size = "" if row.size_bytes is None else f", {row.size_bytes:,} bytes"
    if row.digest.kind == "revision":
        return f"no digest, a revision of the host{size}"
    kind = "" if row.digest.kind == "md5_prefix" else "sha256 "
    return f"{kind}{wanted(row.digest)}{size}"
