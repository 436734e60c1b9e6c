# SPDX-License-Identifier: Apache-2.0
"""Find weights by name: a row of a manifest, or the adopted file of a living or legacy row."""

from __future__ import annotations

from dataclasses import fields, replace

from zoo.catalog import Catalog, Found, read_catalog
from zoo.errors import DownloadError, UnknownNameError
from zoo.manifest.legacy_rows import LegacyRow
from zoo.manifest.lookups import check_name
from zoo.manifest.rows import LivingRow, MetricValue, WeightsFacts, WeightsRow
from zoo.names import hint_near, near_names
from zoo.weights.legacy import find_legacy, legacy_rows, with_unread
from zoo.weights.lock import Pin, find_pin, lock_file, pin_of, read_pins
from zoo.weights.sources.choosing import find_row, tell_of
from zoo.weights.sources.lookup import is_scoped, named_in_sources

__all__ = ["as_adopted", "find_weights"]


def find_weights(name: str, catalog: Catalog | None = None) -> Found:
    """Return the row of ``Name`` or ``plugin.Name``, used to fetch and verify the weights.

    ``source/Name`` is a row of a source that the user has added, and ``Name@2`` one version of a
    row; see `zoo.weights.sources.choosing.find_row`. A legacy name also has a row, for the
    converted file, once `zoo.lock` pins its digest. A living row becomes such a row too; until then
    it is returned as it is listed.

    Args:
        name: Name of a ``[[weights]]`` row or of a row in a legacy index.
        catalog: The plugins to search; by default the catalog of this process.

    Raises:
        UnknownNameError: No weights have that name; similar names are listed.
        DownloadError: It is a legacy name whose file was not adopted, or the row was withdrawn.
        PluginError: Its plugin cannot be used.
        SourceError: Its source cannot be read.
    """
    check_name("weights", name)
    catalog = catalog or read_catalog()
    try:
        found = find_row(name, catalog)
    except UnknownNameError as error:
        legacy = find_legacy(catalog, name)
        if legacy is None:
            raise _unknown(catalog, name, error) from error
    else:
        tell_of(found)
        return as_adopted(found)
    pins = read_pins()
    pin = pin_of(pins, legacy.row.name, legacy.record.name) or pins.get(legacy.row.name)
    if pin is not None and pin.name == name and pin.plugin != legacy.record.name:
        # Two plugins may list the same file; a short name then means the pinned one.
        legacy = find_legacy(catalog, f"{pin.plugin}.{name}") or legacy
    row = legacy.row
    if not isinstance(row, LegacyRow) or pin is None:
        raise _not_adopted(legacy)
    if pin.plugin != legacy.record.name:
        raise _pinned_by_another(legacy, pin)
    return replace(legacy, row=_pinned(row, pin))


def as_adopted(found: Found) -> Found:
    """Return the row of the converted file of a living row that is pinned, else what was found.

    Args:
        found: A row and its plugin.

    Raises:
        DownloadError: `zoo.lock` cannot be read.
    """
    row = found.row
    pin = find_pin(row.name, found.record.name) if isinstance(row, LivingRow) else None
    if not isinstance(row, LivingRow) or pin is None:
        return found
    known = {field.name: getattr(row, field.name) for field in fields(WeightsFacts)}
    known |= {"urls": (), "format": "safetensors", "parameters": pin.parameters}
    return replace(found, row=WeightsRow(**known, sha256=pin.sha256, size_bytes=pin.size_bytes))


def _pinned(row: LegacyRow, pin: Pin) -> WeightsRow:
    return WeightsRow(
        name=row.name,
        task=row.task,
        config=row.config or "",
        urls=(),
        sha256=pin.sha256,
        size_bytes=pin.size_bytes,
        format="safetensors",
        licence=row.licence,
        data_licence=row.data_licence,
        parameters=pin.parameters,
        metrics=tuple(
            MetricValue(
                name=metric.name,
                value=metric.value,
                dataset=metric.dataset,
                split="not stated upstream",
                labels="not stated",
                protocol="stated by upstream, not measured again",
            )
            for metric in row.metrics
        ),
    )


def _not_adopted(found: Found) -> DownloadError:
    row = found.row
    file = row.file_name if isinstance(row, LegacyRow) else row.name
    message = f"cannot get the weights {row.name!r}: they are legacy, their host is gone, "
    message += f"and {lock_file().name} pins no copy of them."
    hint = f"run zoo rescue FOLDER on a folder with a copy of {file}, renamed or not."
    return DownloadError(message, where=found.record.label, hint=hint)


def _pinned_by_another(found: Found, pin: Pin) -> DownloadError:
    message = f"cannot get the weights {pin.name!r} of plugin {found.record.name!r}: "
    message += f"{lock_file().name} pins that name for plugin {pin.plugin!r}."
    hint = "remove that row from the file, then zoo rescue FOLDER; or leave this plugin out."
    return DownloadError(message, where=lock_file(), hint=hint)


def _unknown(catalog: Catalog, name: str, error: UnknownNameError) -> UnknownNameError:
    if is_scoped(name):  # the source has said which names are near
        return error
    rows, unread = legacy_rows(catalog)
    scoped = named_in_sources(name)
    if error.near and not scoped and "/" not in name:
        return with_unread(error, unread)
    near = scoped or near_names(name, [found.row.name for found in rows])
    otherwise = "zoo list shows all, zoo list --legacy also upstream's old ones."
    if "/" in name and not scoped:
        near = ()
        otherwise = f"no source is called {name.partition('/')[0]!r:.60}: zoo source list shows "
        otherwise += "all, zoo source add URL adds one."
    hint = hint_near(near, otherwise)
    unknown = UnknownNameError(error.message, kind="weights", name=name, near=near, hint=hint)
    return with_unread(unknown, unread)
