# SPDX-License-Identifier: Apache-2.0
"""The plugins, with lookups by name; every error names what is similar, and a way out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from zoo.catalog.reading import mark_conflicts, read_record
from zoo.catalog.records import Found, PluginRecord, Row
from zoo.catalog.same_names import ambiguous, collapse_weights, newest
from zoo.errors import UnknownNameError
from zoo.manifest.discovery import candidates_in
from zoo.manifest.kinds import kinds_of_registry
from zoo.manifest.lookups import check_name, hint_installing, hint_listing, may_be_plugin
from zoo.manifest.rows import BaseRow, CommandRow, ConfigRow, LegacyIndexRow, WeightsFacts
from zoo.names import hint_near, near_names

__all__ = ["Catalog"]


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
        return cls(mark_conflicts([read_record(place) for place in places]))

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
            if len(group) == 1:  # of most names
                yield from group
                continue
            kept = collapse_weights(newest(group))
            error = ambiguous("weights", name, kept) if len(kept) > 1 else None
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
        matches = newest([found for found in exact if found.row.name == name])
        fitting = [] if matches else [found for found in self._all_rows() if fits(found.row)]
        matches = matches or newest(
            [found for found in fitting if found.is_called(self.bare(name))]
        )
        if not matches and "." in name:
            self._check_usable(self.bare(name).partition(".")[0])
        usable = [found for found in matches if found.record.error is None]
        usable = collapse_weights(usable)
        if len(usable) == 1:
            return usable[0]
        if usable:
            raise ambiguous(kind, name, usable)
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
