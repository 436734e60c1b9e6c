# SPDX-License-Identifier: Apache-2.0
"""What zoo found: plugins, and rows of their manifests."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from zoo.errors import PluginError
from zoo.manifest.legacy_rows import LegacyRow
from zoo.manifest.rows import (
    AnyWeightsRow,
    BaseRow,
    ConfigRow,
    Contribution,
    Manifest,
    WeightsFacts,
)
from zoo.manifest.weights_rows import is_named

__all__ = ["SOURCE", "Found", "PluginRecord", "Row"]

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
