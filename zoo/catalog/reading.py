# SPDX-License-Identifier: Apache-2.0
"""From manifests to records: one for each plugin, with its error if it has one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import replace

from zoo.catalog.readings.kept import Readings
from zoo.catalog.readings.reading import read_once
from zoo.catalog.records import PluginRecord
from zoo.documents import DocumentError, read_file
from zoo.errors import ConflictError, ManifestError, PluginError
from zoo.manifest.discovery import Candidate, find_candidates, warn
from zoo.manifest.reading import LIMITS, read_manifest
from zoo.names import hint_near, near_names

__all__ = ["mark_conflicts", "read_record", "read_records"]


def read_records(*, keep_readings: bool = False) -> list[PluginRecord]:
    """Return a record of every plugin of this environment, or of those in ``ZOO_PLUGINS``.

    Args:
        keep_readings: Whether to keep what manifests say for later starts.
    """
    readings = Readings(is_kept=keep_readings)
    records = [read_record(candidate, readings) for candidate in _once(find_candidates())]
    readings.close()
    chosen = os.environ.get("ZOO_PLUGINS")
    if chosen is None:
        return records
    names = {name.strip() for name in chosen.split(",")} - {""}
    found = {record.name for record in records}
    for name in sorted(names - found):
        near = hint_near(near_names(name, found), f"there are {', '.join(sorted(found)) or 'none'}")
        warn(f"ZOO_PLUGINS names {name!r}: no such plugin was found; {near.rstrip('.')}")
    return [record for record in records if record.name in names]


def _once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the first candidate for each manifest: reading one takes most of a listing's time.

    In a checkout, every plugin is found as an installed one, which comes first, and in its folder.
    """
    kept: dict[object, Candidate] = {}
    for candidate in candidates:
        path = candidate.manifest
        key = candidate if path is None else (os.path.realpath(path), path.parent.name)
        kept.setdefault(key, candidate)
    return list(kept.values())


def read_record(candidate: Candidate, readings: Readings | None = None) -> PluginRecord:
    """Return the record of a plugin; one whose manifest cannot be read has the error.

    Args:
        candidate: Where the manifest is.
        readings: What manifests said when they were read last; None to read this one.
    """
    name, path, source = candidate.package, candidate.manifest, candidate.source
    guess = name.removeprefix("zoo_")
    if path is None:
        return PluginRecord(guess, None, None, source, candidate.error)
    try:
        manifest = read_manifest(path) if readings is None else read_once(path, readings)
    except PluginError as error:
        return PluginRecord(error.plugin or guess, None, path, source, error)
    except Exception as cause:  # noqa: BLE001 - no manifest, whatever it holds, ends a listing
        message = f"cannot use plugin {guess!r}: reading its manifest failed ({cause!r:.80})."
        hint = "report the manifest to the authors of zoo."
        fault = ManifestError(message, plugin=guess, manifest=path, hint=hint)
        return PluginRecord(guess, None, path, source, fault)
    return PluginRecord(manifest.plugin, manifest, path, source)


def mark_conflicts(records: list[PluginRecord]) -> tuple[PluginRecord, ...]:
    """Return one record per plugin; different plugins with the same name share one error.

    Args:
        records: A record of every manifest.
    """
    groups: dict[str, list[PluginRecord]] = {}
    for record in records:
        groups.setdefault(record.name, []).append(record)
    result: list[PluginRecord] = []
    for name in sorted(groups):
        group = _collapse_equal(groups[name])
        if len(group) > 1:
            error = _twice(name, group[0], group[1])
            group = [replace(record, error=error) for record in group]
        result += group
    return tuple(result)


def _collapse_equal(group: list[PluginRecord]) -> list[PluginRecord]:
    """Drop duplicates (same file or same bytes), and prefer importable records."""
    if len(group) == 1:
        return group
    kept: list[PluginRecord] = []
    seen: set[str | bytes] = set()
    for record in sorted(group, key=lambda record: not record.is_importable):
        marks: set[str | bytes] = set()
        if record.path is not None:
            marks.add(os.path.realpath(record.path))
        if record.path is not None and record.manifest is not None:
            with contextlib.suppress(OSError, DocumentError):  # it was removed meanwhile
                marks.add(read_file(record.path, LIMITS.size_bytes))
        if not marks & seen:
            kept.append(record)
        seen |= marks
    return kept


def _twice(name: str, first: PluginRecord, second: PluginRecord) -> ConflictError:
    message = (
        f"cannot use plugin {name!r}: found twice, "
        f"{first.version or 'unreadable'} and {second.version or 'unreadable'}."
    )
    return ConflictError(
        message,
        first=str(first.path.parent if first.path else first.source),
        second=str(second.path.parent if second.path else second.source),
        plugin=name,
        hint="remove one of the two.",
    )
