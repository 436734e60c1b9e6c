# SPDX-License-Identifier: Apache-2.0
"""Find the rows of sources: ``acme/unet_road`` is the row ``unet_road`` of the source ``acme``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from zoo.catalog import SOURCE, Found, PluginRecord
from zoo.errors import SourceError, UnknownNameError
from zoo.manifest.rows import AnyWeightsRow, Manifest
from zoo.names import hint_near, near_names
from zoo.weights.sources.book import Source, index_path, read_book, sources_folder
from zoo.weights.sources.rows_file import read_rows
from zoo.weights.sources.updating import find_source

__all__ = [
    "all_rows",
    "find_scoped",
    "is_scoped",
    "looks_scoped",
    "named_in_sources",
    "rows_of_source",
]

_SCOPED = re.compile(r"[a-z][a-z0-9_-]{0,39}/[A-Za-z0-9][A-Za-z0-9_.-]*(@[0-9]+)?")


def is_scoped(name: str) -> bool:
    """Return whether a name is that of a row of a source that the user has added.

    Args:
        name: A name from the user, possibly the path of a file.

    Raises:
        SourceError: The sources cannot be read.
    """
    return looks_scoped(name) and name.partition("/")[0] in read_book()


def looks_scoped(name: str) -> bool:
    """Return whether a name has the form ``SCOPE/NAME``, whether or not that source exists.

    Args:
        name: A name from the user, possibly the path of a file.
    """
    return _SCOPED.fullmatch(name) is not None


def find_scoped(name: str) -> list[Found]:
    """Return every version of a source's row.

    Args:
        name: ``SCOPE/NAME``, without a version; an alias is a name too.

    Raises:
        UnknownNameError: There is no such source, or it has no such row.
        SourceError: The source cannot be read.
    """
    scope = name.partition("/")[0]
    source, rows = _read(scope)
    own = [row for row in rows if row.name == name] or [row for row in rows if name in row.aliases]
    if not own:
        near = near_names(name, {row.name for row in rows})
        message = f"no weights named {name!r:.120} in the source {scope!r}."
        hint = hint_near(near, f"zoo list --source {scope} shows all.")
        raise UnknownNameError(message, kind="weights", name=name, near=near, hint=hint)
    record = _record(source)
    return [Found(record, row) for row in own]


def rows_of_source(name: str) -> Iterator[Found]:
    """Yield the rows of a source, of each name the newest version.

    Args:
        name: Name of the source.

    Raises:
        UnknownNameError: There is no such source.
        SourceError: It cannot be read.
    """
    source, rows = _read(name)
    newest: dict[str, AnyWeightsRow] = {}
    for row in rows:
        if row.name not in newest or newest[row.name].version < row.version:
            newest[row.name] = row
    record = _record(source)
    return (Found(record, row) for row in newest.values())


def all_rows(name: str) -> tuple[AnyWeightsRow, ...]:
    """Return the rows of a source in every version.

    Args:
        name: Name of the source.

    Raises:
        UnknownNameError: There is no such source.
        SourceError: It cannot be read.
    """
    return _read(name)[1]


def named_in_sources(name: str) -> tuple[str, ...]:
    """Return the rows of all sources that have a name, for hints: none is used unasked.

    Sources that cannot be read are passed over; using them reports why.

    Args:
        name: A name without a scope.
    """
    found: dict[str, None] = {}
    try:
        scopes = list(read_book())
    except SourceError:
        return ()
    for scope in scopes:
        try:
            rows = _read(scope)[1]
        except (SourceError, UnknownNameError):
            continue
        found |= {row.name: None for row in rows if f"{scope}/{name}" in (row.name, *row.aliases)}
    return tuple(found)


def _read(name: str) -> tuple[Source, tuple[AnyWeightsRow, ...]]:
    """Return a source and its rows, which another process may replace meanwhile."""
    for _ in range(3):
        source = find_source(read_book(), name)
        try:
            return source, _rows(source)
        except FileNotFoundError as error:
            absent = error
    message = f"cannot read the rows of the source {name!r}: {absent.strerror or absent}."
    hint = f"zoo source remove {name}, then add it again: {source.address}"
    raise SourceError(message, source=name, where=absent.filename, hint=hint) from absent


@lru_cache(maxsize=8)  # of each index that a long process sees, and no more
def _rows(source: Source) -> tuple[AnyWeightsRow, ...]:
    return read_rows(source)


def _record(source: Source) -> PluginRecord:
    """Return the source in the form of a plugin that has nothing but weights."""
    folder = sources_folder() or Path()
    path = index_path(source, folder)
    manifest = Manifest(
        path=path,
        plugin=source.name,
        version=str(source.sequence),
        api=1,
        summary=f"the source at {source.address}",
        license=source.licence,
        homepage=source.homepage,
    )
    return PluginRecord(source.name, manifest, path, SOURCE)
