# SPDX-License-Identifier: Apache-2.0
"""What the sources that a user has added hold: their rows and the plugins that they list."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.errors import SourceError
from zoo.manifest.addresses import shown_address
from zoo.manifest.rows import AnyWeightsRow
from zoo.weights.sources.book import Source, read_book
from zoo.weights.sources.lookup import all_rows
from zoo.weights.sources.plugin_listings import PluginListing, plugins_of_source

__all__ = ["SourceContents", "read_sources"]


@dataclass(frozen=True, slots=True)
class SourceContents:
    """One source, as of its last update.

    Attributes:
        name: The scope of its rows on this machine.
        address: Address of its index, without a password.
        key: Fingerprint of the key that signed it, or None if the user accepted it unsigned.
        sequence: Number of the index.
        created: When the index was written, as the index states it.
        expires: When the index must have been replaced, as the index states it.
        licence: Licence of the index.
        homepage: Page of its publisher, or None.
        rows: Its weights in every version, named ``SCOPE/NAME``.
        plugins: The plugins that it lists.
        error: Why rows and plugins cannot be read, or None; they are then empty.
    """

    name: str
    address: str
    key: str | None
    sequence: int
    created: str
    expires: str
    licence: str
    homepage: str | None
    rows: tuple[AnyWeightsRow, ...] = ()
    plugins: tuple[PluginListing, ...] = ()
    error: SourceError | None = None


def read_sources() -> tuple[SourceContents, ...]:
    """Return the sources that the user has added, sorted by name; nothing is fetched.

    A source that cannot be read is returned with its error.

    Raises:
        SourceError: The list of sources itself cannot be read.

    Example:
        ``{source.name: len(source.rows) for source in zoo.read_sources()}``
    """
    return tuple(_read(source) for source in read_book().values())


def _read(source: Source) -> SourceContents:
    rows: tuple[AnyWeightsRow, ...] = ()
    plugins: tuple[PluginListing, ...] = ()
    fault: SourceError | None = None
    try:
        rows, plugins = all_rows(source.name), plugins_of_source(source)
    except SourceError as error:
        fault, rows = error, ()
    return SourceContents(
        name=source.name,
        address=shown_address(source.address),
        key=source.key,
        sequence=source.sequence,
        created=source.created,
        expires=source.expires,
        licence=source.licence,
        homepage=source.homepage,
        rows=rows,
        plugins=plugins,
        error=fault,
    )
