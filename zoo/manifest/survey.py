# SPDX-License-Identifier: Apache-2.0
"""Read a manifest for its author: every fault at once, and the rows that have none.

`zoo.manifest.reading.read_manifest` ends at the first fault, which is enough for a user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import IncompatibleError, ManifestError, PluginError
from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import (
    check_package,
    check_references,
    check_unique,
    read_document,
    read_header,
    read_manifest,
    read_requires,
)
from zoo.manifest.requirements import API
from zoo.manifest.row_reading import (
    read_base_row,
    read_config_row,
    read_contribution,
    read_legacy_index,
    read_shelf_path,
)
from zoo.manifest.rows import BaseRow, ConfigRow, Contribution, LegacyIndexRow, Manifest
from zoo.manifest.shelf import read_shelf
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_weights

__all__ = ["Fault", "Survey", "survey_manifest"]

_Row = TypeVar("_Row")
_MOST_FAULTS = 100  # nobody reads more at once

# What takes the place of a refused value of a required key, so that the keys after it are read.
_STAND_INS: dict[str, Any] = {
    "version": "0",
    "api": API,
    "summary": "-",
    "license": "-",
    "task": "semantic",
    "of": "doctor",
    "classes": ["a"],
    "licence": "-",
    "data_licence": "-",
    "config": "-",
    "urls": ["https://example.org/file"],
    "sha256": "0" * 64,
    "size_bytes": 1,
    "format": "safetensors",
    "parameters": 1,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a manifest.

    Attributes:
        error: What reading it raises.
        kind: ``document`` (no TOML), ``api``, ``package`` (its folder has another name), ``key``,
            ``file`` (no such file), ``shelf`` (the file of a shelf breaks a rule), or ``unique`` (a
            name twice).
        table: Key of the table, such as ``weights``; empty for the whole document.
        number: Which row of that table, from 1; 0 if the table is not an array.
        label: The row, such as ``weights unet_road``; empty if it is no row.
    """

    error: PluginError
    kind: str = "key"
    table: str = ""
    number: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a manifest says, and what is wrong in it.

    Attributes:
        manifest: The manifest; with faults, the rows that have none. None if its header or the
            document cannot be read.
        faults: Everything that is wrong, in the order of the tables.
        document: The TOML as it is; empty if it cannot be read.
    """

    manifest: Manifest | None
    faults: tuple[Fault, ...] = ()
    document: dict[str, Any] = field(default_factory=dict)


def survey_manifest(path: Path) -> Survey:
    """Read a manifest, and list every fault.

    A value that is refused is replaced, and the rest of its row read on: a fault may hide another
    only if both are in the same value, or the first is a name.

    Args:
        path: A ``zoo_plugin.toml`` in the folder of its package.
    """
    try:
        document = read_document(path)
    except ManifestError as error:
        return Survey(None, (Fault(error, "document"),))
    try:
        return Survey(read_manifest(path), (), document)
    except PluginError as error:
        first = error
    manifest, faults = _Surveyor(path, document).survey()
    return Survey(manifest, tuple(faults) or (Fault(first),), document)


class _Surveyor:
    """Reads one document, and collects its faults.

    Args:
        path: The manifest.
        document: Its TOML.
    """

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self.document = document
        self.faults: list[Fault] = []
        self.plugin = path.parent.name.removeprefix("zoo_")

    def survey(self) -> tuple[Manifest | None, list[Fault]]:
        """Return the manifest of the rows without faults, and the faults."""
        header = self._header()
        if header is not None:
            self.plugin = header["plugin"]
            self._note(partial(check_package, self.path, self.plugin), "plugin", "package")
        requires = self._read(read_requires, self.document, "the manifest", "requires") or ()
        contributions = [row for kind in KINDS for row in self._contributions(kind)]
        configs = list(self._rows("config", read_config_row))
        bases = list(self._rows("base", read_base_row))
        weights = list(self._rows("weights", read_weights))
        for shelf in self._rows("shelf", self._read_shelf):
            weights += shelf
        indexes: list[LegacyIndexRow] = list(self._rows("legacy_index", read_legacy_index))
        self._unknown_tables()
        self._check_unique(contributions, (*configs, *bases), weights)
        if header is None:
            return None, self.faults
        manifest = Manifest(
            path=self.path,
            requires=requires,
            contributions=tuple(contributions),
            configs=tuple(configs),
            bases=tuple(bases),
            weights=tuple(weights),
            legacy_indexes=tuple(indexes),
            **header,
        )
        return manifest, self.faults

    def _header(self) -> dict[str, Any] | None:
        values = self.document.get("plugin")
        if not isinstance(values, dict):
            self._note(partial(read_header, self.document, self.path), "plugin")
            return None

        def read(table: Table) -> dict[str, Any]:
            return read_header({"plugin": table.values}, self.path)

        return self._read(read, values, "[plugin]", "plugin")

    def _note(self, read: Callable[[], object], table: str, kind: str = "key") -> None:
        """Run a check, and keep what it raises."""
        try:
            read()
        except IncompatibleError as error:
            self.faults.append(Fault(error, "api", table))
        except PluginError as error:
            self.faults.append(Fault(error, kind, table))

    def _read(
        self,
        read: Callable[[Table], _Row],
        values: dict[str, Any],
        label: str,
        place: str,
        number: int = 0,
        name: str = "",
    ) -> _Row | None:
        """Return what a table says, or None and a fault for each key that is refused."""
        values, refused = dict(values), set[str | None]()
        while True:
            table = Table(values, label=label, path=self.path, plugin=self.plugin)
            try:
                row = read(table)
            except PluginError as error:
                is_api = isinstance(error, IncompatibleError)
                key = "api" if is_api else getattr(error, "key", None)
                if key in refused or len(self.faults) >= _MOST_FAULTS:
                    return None
                kind = "api" if is_api else self._kind(table, key, error)
                self.faults.append(Fault(error, kind, place, number, name))
                if key is None or kind in ("file", "shelf"):
                    return None
                refused.add(key)
                values.pop(key, None)
                values |= {key: _STAND_INS[key]} if key in _STAND_INS else {}
            else:
                # A row with a stand-in is not the author's; a header is needed for what follows.
                return row if not refused or place == "plugin" else None

    def _kind(self, table: Table, key: str | None, error: PluginError) -> str:
        if error.manifest != self.path:
            return "shelf"
        file = table.values.get("file") if key == "file" else None
        is_path = isinstance(file, str) and ", but " in error.message  # of `check_file`
        return "file" if is_path and not os.path.isfile(self.path.parent / str(file)) else "key"

    def _rows(self, key: str, read: Callable[[Table], _Row]) -> Iterator[_Row]:
        top = self._top()
        try:
            tables = top.tables(key)
        except ManifestError as error:
            self.faults.append(Fault(error, "key", key))
            return
        for number, table in enumerate(tables, start=1):
            if len(self.faults) >= _MOST_FAULTS:
                return
            name = table.values.get("name")
            label = f"{key} {name}" if isinstance(name, str) else f"{key} row {number}"
            row = self._read(read, table.values, table.label, key, number, label)
            if row is not None:
                yield row

    def _contributions(self, kind: str) -> Iterator[Contribution]:
        return self._rows(kind, partial(read_contribution, kind))

    def _read_shelf(self, table: Table) -> tuple[Any, ...]:
        return read_shelf(self.path.parent / read_shelf_path(table), self.plugin)

    def _top(self) -> Table:
        return Table(self.document, label="the manifest", path=self.path, plugin=self.plugin)

    def _unknown_tables(self) -> None:
        known = ("plugin", "requires", *KINDS, "config", "base", "weights", "shelf", "legacy_index")
        left = {key: value for key, value in self.document.items() if key not in known}
        for key in [*left][:_MOST_FAULTS]:
            top = Table({key: left[key]}, label="the manifest", path=self.path, plugin=self.plugin)
            for each in known:
                top.take(each, dict, required=False)
            self._note(top.done, key)

    def _check_unique(
        self,
        contributions: list[Contribution],
        configs: tuple[ConfigRow | BaseRow, ...],
        weights: list[Any],
    ) -> None:
        check = partial(check_unique, self._top(), contributions, configs, weights)
        self._note(check, "", kind="unique")
        self._note(partial(check_references, self._top(), contributions), "check")
