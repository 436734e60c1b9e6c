# SPDX-License-Identifier: Apache-2.0
"""The catalog: every plugin that zoo finds, its errors, and lookups of its names.

The catalog does not import plugins. It keeps a broken plugin as a record with its error. Using any
name of that plugin raises the error; other plugins are not affected.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from zoo.documents import DocumentError, read_file
from zoo.errors import ConflictError, ManifestError, PluginError, UnknownNameError
from zoo.manifest.discovery import Candidate, candidates_in, find_candidates, warn
from zoo.manifest.kinds import KINDS, kinds_of_registry
from zoo.manifest.legacy_rows import LegacyRow
from zoo.manifest.lookups import check_name, hint_installing, hint_listing, may_be_plugin
from zoo.manifest.reading import LIMITS, read_manifest
from zoo.manifest.rows import (
    AnyWeightsRow,
    BaseRow,
    CommandRow,
    ConfigRow,
    Contribution,
    LegacyIndexRow,
    LivingRow,
    Manifest,
    WeightsFacts,
    WeightsRow,
)
from zoo.manifest.versions import is_named
from zoo.names import hint_near, near_names

__all__ = ["SOURCE", "Catalog", "Found", "PluginRecord", "Row", "forget_catalog", "read_catalog"]

SOURCE = "source"
"""``PluginRecord.source`` of a source of weights, which is looked up like a plugin."""

Row: TypeAlias = Contribution | ConfigRow | BaseRow | AnyWeightsRow | LegacyRow


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One plugin that zoo found.

    Attributes:
        name: The plugin's name, guessed from its package if the manifest cannot be read.
        manifest: Its manifest, or None.
        path: The manifest's file, or None.
        source: ``entry point``, ``ZOO_PLUGIN_PATH`` or ``checkout``; or `SOURCE`.
        error: Why the plugin cannot be used, or None.
    """

    name: str
    manifest: Manifest | None
    path: Path | None
    source: str
    error: PluginError | None = None

    @property
    def version(self) -> str | None:
        """Return the plugin's version, or None if the manifest cannot be read."""
        return None if self.manifest is None else self.manifest.version

    @property
    def label(self) -> str:
        """Return the plugin, or the source of weights, for messages."""
        return f"{SOURCE if self.source == SOURCE else 'plugin'} {self.name}"

    @property
    def is_importable(self) -> bool:
        """Return whether its package is installed rather than found in a folder."""
        return self.source == "entry point"

    def checked(self) -> Manifest:
        """Return the manifest of a plugin that can be used.

        Raises:
            PluginError: The plugin cannot be used; this is a copy of ``error``.
        """
        if self.error is not None:
            raise copy(self.error)
        if self.manifest is None:
            message = f"cannot use plugin {self.name!r}: it has no manifest."
            raise PluginError(message, plugin=self.name, hint="reinstall it.")
        return self.manifest

    def file(self, relative: str) -> Path:
        """Return the full path of a file in the package.

        Args:
            relative: Path from the manifest, with ``/`` as separator.
        """
        return self.checked().folder / relative


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a lookup: a plugin and a row of its manifest.

    Attributes:
        record: The plugin.
        row: The row; its ``kind`` is the type of contribution.
        error: Why this row cannot be used although its plugin can, or None.
    """

    record: PluginRecord
    row: Row
    error: PluginError | None = None

    @property
    def type(self) -> str:
        """Return the full name, ``zoo.<plugin>.<name>``, as configs write it."""
        return f"zoo.{self.record.name}.{self.row.name}"

    def is_called(self, name: str) -> bool:
        """Return whether a name refers to this row, as ``Name`` or ``plugin.Name``.

        Weights are also called by an alias.

        Args:
            name: What a user wrote.
        """
        if isinstance(self.row, WeightsFacts):
            return is_named(self.row, name, self.record.name)
        return name in (self.row.name, f"{self.record.name}.{self.row.name}")


class Catalog:
    """The plugins, with lookups by name.

    A name is ``plugin.Name``, or ``Name`` if only one plugin has it. All lookups raise
    ``UnknownNameError`` with similar names, ``ConflictError`` if the short name is ambiguous, or
    the error of the plugin that has the name.

    Args:
        plugins: One record per plugin. Two records may share a name only if both have an error.
    """

    def __init__(self, plugins: tuple[PluginRecord, ...]) -> None:
        self.plugins = plugins
        self._by_name: dict[str, list[Found]] = {}

    @classmethod
    def of_folders(cls, *folders: str | os.PathLike[str]) -> Catalog:
        """Return a catalog of only the plugins in some folders, independent of the process catalog.

        Args:
            folders: Folders that contain plugins, as in ``ZOO_PLUGIN_PATH``.
        """
        places = [place for folder in folders for place in candidates_in(Path(folder))]
        return cls(_mark_conflicts([_read_record(place) for place in places]))

    def plugin(self, name: str) -> PluginRecord:
        """Return a plugin that can be used, by name.

        Args:
            name: Name of the plugin, with or without the prefix ``zoo.``.
        """
        check_name("plugin", name)
        name = self.bare(name)
        records = [record for record in self.plugins if record.name == name]
        if not records:
            near = near_names(name, [record.name for record in self.plugins])
            message = f"no plugin named {name!r}."
            hint = hint_near(near, "zoo plugin list shows all.")
            raise UnknownNameError(message, kind="plugin", name=name, near=near, hint=hint)
        records[0].checked()
        return records[0]

    def rows(self, kind: str | None = None) -> Iterator[Found]:
        """Yield the rows of one kind, or of all kinds, of every usable plugin.

        Weights come last, in their newest version. Rows with the same name and sha256 are yielded
        once. Rows with the same name but another sha256 carry an error.

        Args:
            kind: Key of ``zoo.manifest.kinds.KINDS``, ``config`` or ``weights``; None for all.
        """
        weights: dict[str, list[Found]] = {}
        for found in self._all_rows():
            if found.record.error is None and kind in (None, found.row.kind):
                if isinstance(found.row, WeightsFacts):
                    weights.setdefault(found.row.name, []).append(found)
                else:
                    yield found
        for name, group in weights.items():
            kept = _collapse_weights(_newest(group))
            error = _ambiguous("weights", name, kept) if len(kept) > 1 else None
            yield from (replace(found, error=error) for found in kept)

    def legacy_indexes(self) -> Iterator[tuple[PluginRecord, LegacyIndexRow]]:
        """Yield each plugin's indexes of legacy upstream weights."""
        for record in self.plugins:
            if record.error is None and record.manifest is not None:
                for row in record.manifest.legacy_indexes:
                    yield record, row

    def find(self, kind: str, name: str) -> Found:
        """Return the row of one kind by ``Name`` or ``plugin.Name``.

        Args:
            kind: Key of `zoo.manifest.kinds.KINDS`, ``config`` or ``weights``.
            name: ``Name``, or ``plugin.Name``.
        """
        return self._find(kind, name, lambda row: row.kind == kind)

    def find_command(self, group: str | None, name: str) -> Found:
        """Return the ``[[command]]`` row of a name that is typed in a group of the command line.

        Args:
            group: ``plugin``, ``data``, ...; None for what is typed after ``zoo`` itself.
            name: ``name``, or ``plugin.name``.
        """
        return self._find(
            "command", name, lambda row: isinstance(row, CommandRow) and row.group == group
        )

    def find_config(self, name: str) -> Found:
        """Return a ``[[config]]`` row; ``found.record.file(found.row.file)`` is its file.

        Args:
            name: ``Name``, or ``plugin.Name``.
        """
        return self.find("config", name)

    def find_base(self, name: str) -> Found:
        """Return what ``zoo::NAME`` means in ``_base_``: a ``[[config]]`` or a ``[[base]]`` row.

        Args:
            name: ``Name``, or ``plugin.Name``.
        """
        return self._find("config", name, lambda row: isinstance(row, (ConfigRow, BaseRow)))

    def find_weights(self, name: str) -> Found:
        """Return a ``[[weights]]`` row; rows with the same name and sha256 count as one.

        Args:
            name: ``Name`` or ``plugin.Name``; the newest version is meant.
        """
        return self.find("weights", name)

    def versions(self, found: Found) -> dict[int, Found]:
        """Return every version of a row of weights by its number.

        Args:
            found: A row of weights as `find_weights` returns it.
        """
        rows = found.record.checked().weights
        return {row.version: Found(found.record, row) for row in rows if row.name == found.row.name}

    def find_dataset(self, name: str, task: str | None = None) -> Found:
        """Return a ``[[dataset]]`` row by its name, or by a plugin with a single data set.

        Args:
            name: ``Name``, ``plugin.Name`` or ``plugin``.
            task: ``semantic`` or ``instance``, to choose among a plugin's rows; None for any.
        """
        check_name("dataset", name)
        name = self.bare(name)
        if not any(record.name == name for record in self.plugins):
            return self._find("dataset", name, lambda row: row.kind == "dataset")
        record = self.plugin(name)
        rows = [row for row in record.checked().datasets if task in (None, row.task)]
        if len(rows) == 1:
            return Found(record, rows[0])
        wanted = "" if task is None else f" for the task {task!r}"
        names = tuple(f"{name}.{row.name}" for row in rows or record.checked().datasets)
        if rows:
            message = f"cannot choose a data set of plugin {name!r}{wanted}: it has {len(rows)}."
            hint = f"name one of {', '.join(names)}, or its --task."
        else:
            message = f"no data set in plugin {name!r}{wanted}."
            hint = f"it has {', '.join(names)}." if names else "zoo data list shows all."
        raise UnknownNameError(message, kind="dataset", name=name, near=names, hint=hint)

    def registered(self, registry: str, name: str) -> Found:
        """Return the row that ``zoo.<name>`` refers to in one mmengine registry.

        Args:
            registry: Attribute of ``mmengine.registry``, such as ``"MODELS"``.
            name: ``Name`` or ``plugin.Name``.
        """
        kinds = kinds_of_registry(registry)
        return self._find(" or ".join(kinds), name, lambda row: row.kind in kinds)

    def check_named(self, name: str) -> None:
        """Raise the error of a broken plugin if only that plugin has a row of this name.

        Args:
            name: ``Name``, or ``plugin.Name``.
        """
        name = self.bare(name)
        for found in self._all_rows():
            if found.is_called(name):
                found.record.checked()
        self._check_usable(name.partition(".")[0])

    def bare(self, name: str) -> str:
        """Return a name without the prefix ``zoo.`` that configs use.

        Args:
            name: What a config or a user wrote.
        """
        is_plugin = any(record.name == "zoo" for record in self.plugins)
        return name if is_plugin else name.removeprefix("zoo.")

    def named(self, name: str) -> list[Found]:
        """Return the rows of every kind that are called exactly so; aliases do not count.

        Unlike `find`, this takes no longer with more plugins, and knows no near names.

        Args:
            name: ``Name`` or ``plugin.Name``.
        """
        if not self._by_name:
            for found in self._all_rows():
                for called in (found.row.name, f"{found.record.name}.{found.row.name}"):
                    self._by_name.setdefault(called, []).append(found)
        return self._by_name.get(name, [])

    def _all_rows(self) -> Iterator[Found]:
        for record in self.plugins:
            if record.manifest is not None:
                yield from (Found(record, row) for row in record.manifest.rows)

    def _find(self, kind: str, name: str, fits: Callable[[Row], bool]) -> Found:
        check_name(kind, name)
        exact = [found for found in self.named(name) if fits(found.row)]
        matches = _newest([found for found in exact if found.row.name == name])
        fitting = [] if matches else [found for found in self._all_rows() if fits(found.row)]
        matches = matches or _newest(
            [found for found in fitting if found.is_called(self.bare(name))]
        )
        if not matches and "." in name:
            self._check_usable(self.bare(name).partition(".")[0])
        usable = [found for found in matches if found.record.error is None]
        usable = _collapse_weights(usable)
        if len(usable) == 1:
            return usable[0]
        if usable:
            raise _ambiguous(kind, name, usable)
        for found in matches:
            found.record.checked()
        raise self._unknown(kind, name, fitting)

    def _check_usable(self, plugin: str) -> None:
        """Raise the error of the plugin that a dotted name starts with, if it has one."""
        for record in self.plugins:
            if record.name == plugin:
                record.checked()

    def _unknown(self, kind: str, name: str, fitting: list[Found]) -> UnknownNameError:
        usable = [found for found in fitting if found.record.error is None]
        plugin, dot, rest = self.bare(name).partition(".")
        near: tuple[str, ...] = ()
        is_absent = False
        if dot and any(record.name == plugin for record in self.plugins):
            own = [found.row.name for found in usable if found.record.name == plugin]
            near = tuple(f"{plugin}.{other}" for other in near_names(rest, own) or own[:5])
        elif dot:
            names = [f"{found.record.name}.{found.row.name}" for found in usable]
            near = near_names(name, names)
            is_absent = not near and may_be_plugin(plugin)
        names = [found.row.name for found in usable]
        if kind == "dataset":  # also found by the name of its plugin
            names += [found.record.name for found in usable]
        near = near or near_names(rest or name, names)
        message = f"no {kind} named {name!r}."
        hint = hint_near(near, hint_listing(kind))
        if is_absent:
            message = f"no {kind} named {name!r}: no plugin {plugin!r} is installed."
            hint = hint_installing(plugin)
        return UnknownNameError(message, kind=kind, name=name, near=near, hint=hint)


def _newest(group: list[Found]) -> list[Found]:
    """Keep only the newest version of each plugin's weights of one name."""
    newest: dict[tuple[str, str], int] = {}
    for found in group:
        if isinstance(found.row, WeightsFacts):
            key = (found.record.name, found.row.name)
            newest[key] = max(newest.get(key, 0), found.row.version)
    return [
        found
        for found in group
        if not isinstance(found.row, WeightsFacts)
        or found.row.version == newest[(found.record.name, found.row.name)]
    ]


def _collapse_weights(usable: list[Found]) -> list[Found]:
    """Keep the first of the rows with equal digests: equal bytes are the same weights."""
    digests = {_digest(found.row) for found in usable}
    return usable[:1] if len(digests) == 1 and None not in digests else usable


def _digest(row: Row) -> str | None:
    if isinstance(row, LivingRow):
        return f"{row.digest.value}, {row.converter}" if row.digest.is_full else None
    return row.sha256 if isinstance(row, WeightsRow) else None


def _ambiguous(kind: str, name: str, usable: list[Found]) -> ConflictError:
    first, second = (f"plugin {found.record.name}" for found in usable[:2])
    message = f"cannot choose the {kind} {name!r}: {first} and {second} both have one."
    names = [f"{_before(found.row)}{found.record.name}.{found.row.name}" for found in usable]
    return ConflictError(message, first=first, second=second, hint=f"write {' or '.join(names)}.")


def _before(row: Row) -> str:
    """Return what stands before the full name of a row where it is used."""
    if isinstance(row, CommandRow):
        return f"{row.parent} "
    return "zoo." if row.kind in KINDS else ""


_CACHE: dict[tuple[str | None, ...], Catalog] = {}


def read_catalog() -> Catalog:
    """Return the catalog of this process and environment; it is read once.

    ``ZOO_PLUGINS=a,b`` keeps only the plugins with those names; an empty value keeps none.
    """
    script = sys.argv[0] if sys.argv else None
    key = (os.environ.get("ZOO_PLUGIN_PATH"), os.environ.get("ZOO_PLUGINS"), script)
    if key not in _CACHE:
        _CACHE[key] = Catalog(_mark_conflicts(_read_records()))
    return _CACHE[key]


def forget_catalog() -> None:
    """Read the catalog again on next use, for tests and code that installs plugins."""
    _CACHE.clear()


def _read_records() -> list[PluginRecord]:
    records = [_read_record(candidate) for candidate in _once(find_candidates())]
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


def _read_record(candidate: Candidate) -> PluginRecord:
    name, path, source = candidate.package, candidate.manifest, candidate.source
    guess = name.removeprefix("zoo_")
    if path is None:
        return PluginRecord(guess, None, None, source, candidate.error)
    try:
        manifest = read_manifest(path)
    except PluginError as error:
        return PluginRecord(error.plugin or guess, None, path, source, error)
    except Exception as cause:  # noqa: BLE001 - no manifest, whatever it holds, ends a listing
        message = f"cannot use plugin {guess!r}: reading its manifest failed ({cause!r:.80})."
        hint = "report the manifest to the authors of zoo."
        fault = ManifestError(message, plugin=guess, manifest=path, hint=hint)
        return PluginRecord(guess, None, path, source, fault)
    return PluginRecord(manifest.plugin, manifest, path, source)


def _mark_conflicts(records: list[PluginRecord]) -> tuple[PluginRecord, ...]:
    """Return one record per plugin; different plugins with the same name share one error."""
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
