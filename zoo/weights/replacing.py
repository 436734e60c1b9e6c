# SPDX-License-Identifier: Apache-2.0
"""Which living weights stand for an upstream address: a legacy file, or ``torchvision://...``.

A row that claims an upstream file must have its digest: the digits in the old name are the judge. A
*false friend* has the right name and other bytes, and stands for nothing. A row with a converter
has other bytes anyway; that its tensors are equal is for its converter's tests to prove.

Rows of sources count only where such digits judge them. So a source can bring back legacy files,
and no source can stand for ``torchvision://resnet50``, which states no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from zoo.catalog import SOURCE, Catalog, Found
from zoo.errors import SourceError, UnknownNameError
from zoo.manifest.rows import LivingRow, WeightsFacts, WeightsRow
from zoo.weights.cache import address_filename
from zoo.weights.rescue import DIGITS
from zoo.weights.sources.book import read_book

__all__ = ["find_replacing", "full_name", "living_addresses"]


def find_replacing(catalog: Catalog, address: str) -> Found | None:
    """Return the weights that stand for an upstream address, or None.

    Args:
        catalog: The plugins to search.
        address: Such as ``torchvision://resnet50``.
    """
    fitting = [
        (found, row)
        for found, row, claimed in _claims(catalog)
        if claimed == address and not _is_false_friend(row, address)
    ]
    fitting.sort(key=lambda pair: _rank(*pair))
    return fitting[0][0] if fitting else None


def _rank(found: Found, row: WeightsFacts) -> tuple[bool, bool]:
    """Return the key of an order in which no source comes before a plugin.

    Then come those whose whole digest is known, which need nothing from the user.
    """
    is_partial = isinstance(row, LivingRow) and not row.digest.is_full
    return found.record.source == SOURCE, is_partial


def living_addresses(catalog: Catalog) -> dict[str, str]:
    """Return upstream address -> full name of the weights that stand for it.

    Args:
        catalog: The plugins to search.
    """
    return {
        address: full_name(found)
        for found, row, address in reversed(list(_claims(catalog)))  # those of plugins win
        if not _is_false_friend(row, address)
    }


def full_name(found: Found) -> str:
    """Return a name that finds exactly this row: ``plugin.name``, or ``source/name``.

    Args:
        found: A row of weights.
    """
    name = found.row.name
    return name if found.record.source == SOURCE else f"{found.record.name}.{name}"


def _claims(catalog: Catalog) -> Iterator[tuple[Found, WeightsFacts, str]]:
    """Yield every row that claims an upstream address, with that address."""
    for found in catalog.rows("weights"):
        if isinstance(found.row, WeightsFacts) and found.error is None:
            for address in found.row.replaces:
                yield found, found.row, address
    for found in _rows_of_sources():
        if isinstance(found.row, WeightsFacts) and _states_sha256(found.row):
            for address in found.row.replaces:
                if DIGITS.search(address_filename(address)) is not None:
                    yield found, found.row, address


def _states_sha256(row: WeightsFacts) -> bool:
    """Return whether a row states the sha256 of the very file, or its first digits."""
    if not isinstance(row, LivingRow):
        return True
    return row.converter is None and row.digest.kind in ("sha256", "sha256_prefix")


def _rows_of_sources() -> Iterator[Found]:
    """Yield the rows of every source that can be read; using the others reports why."""
    with suppress(SourceError):
        for name, source in read_book().items():
            if not source.replaces:  # as most do not, and reading thousands of rows takes time
                continue
            from zoo.weights.sources.lookup import rows_of_source

            with suppress(SourceError, UnknownNameError):
                yield from rows_of_source(name)


def _is_false_friend(row: WeightsFacts, address: str) -> bool:
    stated = DIGITS.search(address_filename(address))
    if stated is None:
        return False
    if isinstance(row, WeightsRow):
        return not row.sha256.startswith(stated[1])
    if not isinstance(row, LivingRow) or not _states_sha256(row):
        return False
    return not row.digest.value.startswith(stated[1])
