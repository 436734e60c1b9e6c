# SPDX-License-Identifier: Apache-2.0
"""Choose the row that a name means today: its version, and whether it may still be used."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from zoo.catalog import SOURCE, Catalog, Found
from zoo.errors import DownloadError, UnknownNameError
from zoo.manifest.lookups import check_name
from zoo.manifest.rows import AnyWeightsRow, LivingRow, WeightsRow
from zoo.manifest.weights_rows import split_version
from zoo.texts import printable, shown
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.lock import Pin, find_pin, lock_file
from zoo.weights.sources.book import read_book
from zoo.weights.sources.lookup import find_scoped, is_scoped
from zoo.weights.sources.updating import find_source

__all__ = [
    "find_row",
    "find_versions",
    "marks_of",
    "take_version",
    "tell_of",
]

_LOG = logging.getLogger("zoo")


def find_row(name: str, catalog: Catalog) -> Found:
    """Return the row of a plugin or of a source that a name means.

    Without a version this is the newest one that was not withdrawn; if ``zoo.lock`` pins the name,
    it is the version that it pins. A row that was asked for by its version keeps it in its name, so
    that it can be pinned beside the newest.

    Args:
        name: ``Name``, ``plugin.Name`` or ``source/Name``, with or without ``@VERSION``.
        catalog: The plugins to search.

    Raises:
        UnknownNameError: No row has that name or version.
        DownloadError: The row was withdrawn, and ``zoo.lock`` does not pin it.
        PluginError: Its plugin cannot be used.
        SourceError: Its source cannot be read.
    """
    check_name("weights", name)
    bare, version = split_version(name)
    chosen = _of_version(find_versions(bare, catalog), bare, version)
    if chosen.record.source == SOURCE:
        _check_parts(chosen, catalog)
    return chosen


def find_versions(name: str, catalog: Catalog) -> dict[int, Found]:
    """Return every version of the weights that a name means, also withdrawn ones, by its number.

    Args:
        name: ``Name``, ``plugin.Name`` or ``source/Name``, without a version.
        catalog: The plugins to search.

    Raises:
        UnknownNameError: No row has that name.
        PluginError: Its plugin cannot be used.
        SourceError: Its source cannot be read.
    """
    if is_scoped(name):
        return {_row(found).version: found for found in find_scoped(name)}
    return catalog.versions(catalog.find_weights(name))


def marks_of(found: Found) -> tuple[str, ...]:
    """Return what is wrong with the source of a row: ``unsigned``, ``expired``; none of a plugin.

    Args:
        found: A row and its plugin or source.
    """
    if found.record.source != SOURCE:
        return ()
    source = read_book().get(found.record.name)
    return () if source is None else source.marks


def _of_version(versions: Mapping[int, Found], bare: str, version: int | None) -> Found:
    if version is None:
        return _newest(versions)
    found = take_version(versions, bare, version)
    row = replace(_row(found), name=f"{_row(found).name}@{version}")
    found = replace(found, row=row)
    if row.yanked is not None and not _is_pinned(row, _pin(found)):
        raise _withdrawn(found, versions)
    return found


def take_version(versions: Mapping[int, Found], bare: str, version: int) -> Found:
    """Return one version of weights.

    Args:
        versions: All versions by their numbers.
        bare: Name of the weights, for the message.
        version: The number.

    Raises:
        UnknownNameError: There is no such version.
    """
    if version in versions:
        return versions[version]
    near = tuple(f"{bare}@{number}" for number in versions)
    message = f"no version {version} of the weights {bare!r}."
    hint = f"did you mean {' or '.join(near)}?"
    raise UnknownNameError(message, kind="weights", name=bare, near=near, hint=hint)


def _newest(versions: Mapping[int, Found]) -> Found:
    ordered = [versions[number] for number in sorted(versions, reverse=True)]
    if len(ordered) == 1 and _row(ordered[0]).yanked is None:
        return ordered[0]  # without reading the lock
    pin = _pin(ordered[0])
    for found in ordered:
        if _is_pinned(_row(found), pin):
            return found
    for found in ordered:
        if _row(found).yanked is None:
            return found
    raise _withdrawn(ordered[0], versions)


def _row(found: Found) -> AnyWeightsRow:
    if not isinstance(found.row, (WeightsRow, LivingRow)):
        message = f"{found.row.name} is no row of weights"
        raise TypeError(message)
    return found.row


def _pin(found: Found) -> Pin | None:
    return find_pin(found.row.name, found.record.name)


def _is_pinned(row: AnyWeightsRow, pin: Pin | None) -> bool:
    """Return whether a pin is of this row rather than of another version."""
    if pin is None:
        return False
    if isinstance(row, WeightsRow):
        return row.sha256 in (pin.sha256, pin.source_sha256)
    if not row.digest.kind.startswith("sha256"):
        return any(shown_address(url) == pin.address for url in row.urls)
    return pin.source_sha256.startswith(row.digest.value)


def _withdrawn(found: Found, versions: Mapping[int, Found]) -> DownloadError:
    row = _row(found)
    bare = split_version(row.name)[0]
    others = [number for number, each in versions.items() if _row(each).yanked is None]
    message = f"cannot use the weights {row.name!r}: they were withdrawn: "
    message += f"{printable(row.yanked or '').rstrip('.')}."  # no line of its own, as a hint has
    if row.successor is not None:
        hint = f"use {printable(row.successor)} instead."
    elif others:
        hint = f"use {bare}@{max(others)} instead."
    else:
        hint = f"choose others; only a {lock_file().name} that pins them already still allows them."
    return DownloadError(message, where=found.record.label, hint=hint)


def _check_parts(found: Found, catalog: Catalog) -> None:
    """Raise an error unless the config and the converter of a row are of installed plugins.

    A published ``.safetensors`` needs neither. A config is code, so a source may name one that the
    user has installed, and no other.
    """
    row = _row(found)
    is_living = isinstance(row, LivingRow)
    wanted = {
        "config": row.config if is_living or row.format != "safetensors" else "",
        "converter": row.converter or "" if isinstance(row, LivingRow) else "",
    }
    for kind, name in wanted.items():
        try:
            if name:
                catalog.find(kind, name)
        except UnknownNameError as error:
            message = f"cannot use the weights {row.name!r}: no installed plugin has the {kind} "
            message += f"{shown(name)}."
            page = find_source(read_book(), found.record.name).homepage
            plugin, dot, _ = name.partition(".")
            is_plugin = bool(dot) and plugin.isidentifier()  # it may be any text
            what = f"the plugin {shown(plugin)}" if is_plugin else "the plugin that has it"
            hint = f"install {what}; {page or 'the publisher'} should say where it is."
            raise DownloadError(message, where=found.record.label, hint=hint) from error


def tell_of(found: Found) -> None:
    """Log once what everyone who uses a row should know: withdrawn, deprecated, not trusted.

    Args:
        found: A row as `find_row` returns it.
    """
    row = _row(found)
    if row.yanked is not None:
        reason = row.yanked.rstrip(".")
        _warn(f"{row.name} were withdrawn: {reason}; {lock_file().name} still pins them")
    if row.successor is not None:
        _warn(f"{row.name} are deprecated: use {row.successor} instead")
    marks = marks_of(found)
    if marks:
        _warn(f"{row.name}: the index of their source is {' and '.join(marks)}")


@cache
def _warn(text: str) -> None:
    _LOG.warning("%s", printable(text))
