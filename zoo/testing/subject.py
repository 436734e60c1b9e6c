# SPDX-License-Identifier: Apache-2.0
"""The plugin under test, as seen by the checks of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from zoo.catalog import PluginRecord
from zoo.manifest.rows import Contribution

__all__ = ["Subject"]


class Subject:
    """The attributes that an author sets, and lookups that ``PluginConformance`` implements."""

    plugin: ClassVar[str]
    settings: ClassVar[Mapping[str, Sequence[Mapping[str, Any]]]] = {}
    mask_settings: ClassVar[Mapping[str, Sequence[Mapping[str, Any]]]] = {}
    sample_count: ClassVar[int] = 8
    shares: ClassVar[str] = "1,0,0"
    prepare_options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @property
    def manifest_path(self) -> Path:
        """Return the plugin's manifest."""
        raise NotImplementedError

    def record(self) -> PluginRecord:
        """Return the plugin under test."""
        raise NotImplementedError

    def rows_of(self, kind: str) -> list[Contribution]:
        """Return the manifest's rows of one kind.

        Args:
            kind: A key of `zoo.manifest.kinds.KINDS`, such as ``loss``.
        """
        raise NotImplementedError

    def type_of(self, row: Contribution) -> str:
        """Return the full name that configs write.

        Args:
            row: A row of the manifest.
        """
        raise NotImplementedError

    def variants_of(self, row: Contribution) -> list[dict[str, Any]]:
        """Return configs that build a contribution.

        Args:
            row: A row of the manifest.
        """
        raise NotImplementedError
