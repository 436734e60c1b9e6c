# SPDX-License-Identifier: Apache-2.0
"""Rows of sources as entries of a listing, and the lines that say what sources there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from zoo.catalog import Catalog, Found

__all__ = ["say_sources", "source_entries"]


def source_entries(names: Iterable[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of sources for listings; of each name the newest version.

    Args:
        names: Names of sources; None for all.

    Raises:
        UnknownNameError: There is no such source.
        SourceError: It cannot be read.
    """
    from zoo.weights.cache import cached_digests
    from zoo.weights.sources.book import read_book
    from zoo.weights.sources.lookup import rows_of_source

    book = read_book()
    cached = cached_digests()
    for name in book if names is None else names:
        state = ", ".join(book[name].marks) if name in book else ""
        for found in rows_of_source(name):
            entry = _entry(found, cached)
            yield {**entry, "state": state or entry["state"]}


def _entry(found: Found, cached: frozenset[str]) -> dict[str, Any]:
    from zoo.cli.options.weights_entries import row_entry, weights_entry
    from zoo.manifest.rows import WeightsFacts

    row = found.row
    if not isinstance(row, WeightsFacts):
        message = f"{row.name} is no row of weights"
        raise TypeError(message)
    if getattr(row, "sha256", None) in cached:
        return weights_entry(Catalog(()), found, row)
    return row_entry(found, row)


def say_sources() -> None:
    """Print a line for each source on stderr: its number of rows, its state, how to list them."""
    from zoo.cli.output.printing import say, say_text
    from zoo.errors import SourceError
    from zoo.weights.sources.book import read_book

    try:
        sources = read_book().values()
    except SourceError as error:  # the listing continues without them
        say_text(f"\n{error}", err=True)
        return
    for source in sources:
        marks = f" ({', '.join(source.marks)})" if source.marks else ""
        count = f"{source.rows:,} {'row' if source.rows == 1 else 'rows'}"
        say(f"source {source.name}: {count}{marks}; zoo list --source {source.name}", err=True)
