# SPDX-License-Identifier: Apache-2.0
"""The plugin under check, as the checks of each kind see it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from zoo.catalog import PluginRecord
from zoo.checking.expecting import Broken
from zoo.manifest.reading import read_manifest
from zoo.manifest.rows import Contribution

__all__ = ["KindChecks"]


class KindChecks:
    """The attributes that an author sets, and lookups in the manifest.

    Attributes:
        plugin: Name of the plugin.
        settings: Name of a contribution -> list of variants of its arguments; without an entry it
            is built without arguments.
        mask_settings: The same for losses of mmdet mask heads.
        sample_count: Number of images in the fake data.
        shares: Split of the fake data.
        prepare_options: Keywords for the prepare target, by name of the data set.
    """

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
        """Return the plugin under check, read from its manifest and not from the catalog."""
        manifest = read_manifest(self.manifest_path)
        return PluginRecord(self.plugin, manifest, self.manifest_path, "ZOO_PLUGIN_PATH")

    def rows_of(self, kind: str) -> list[Contribution]:
        """Return the manifest's rows of one kind.

        Args:
            kind: A key of `zoo.manifest.kinds.KINDS`, such as ``loss``.
        """
        return [row for row in self.record().checked().contributions if row.kind == kind]

    def type_of(self, row: Contribution) -> str:
        """Return the full name that configs write.

        Args:
            row: A row of the manifest.
        """
        return f"zoo.{self.plugin}.{row.name}"

    def variants_of(self, row: Contribution) -> list[dict[str, Any]]:
        """Return the configs that build a contribution, one per variant in ``settings``.

        Args:
            row: A row of the manifest.
        """
        variants = self.settings.get(row.name) or [{}]
        return [{"type": self.type_of(row), **settings} for settings in variants]

    def missing_arguments(self, config: Mapping[str, Any]) -> list[str]:
        """Return the arguments that a contribution needs and its config lacks.

        Args:
            config: ``type`` and keywords, as `variants_of` returns them.
        """
        from zoo.loading import load_target

        name = str(config["type"]).rpartition(".")[2]
        row = next(row for row in self.record().checked().contributions if row.name == name)
        needed = _needed(load_target(self.record(), row.target))
        return [each for each in needed if each not in config]

    def fail(self, message: str) -> NoReturn:
        """End a check that does not hold.

        Args:
            message: What was found, and what was expected.

        Raises:
            Broken: Always.
        """
        raise Broken(message)


def _needed(target: Any) -> list[str]:
    """Return the names of arguments without a default; those of a base, where it gets the rest."""
    callables = [target]
    if isinstance(target, type):
        callables = [vars(each)["__init__"] for each in target.__mro__ if "__init__" in vars(each)]
    found: list[str] = []
    for number, each in enumerate(callables):
        try:
            parameters = list(inspect.signature(each).parameters.values())
        except (TypeError, ValueError):
            break
        own = parameters[1:] if isinstance(target, type) else parameters
        found += [
            each.name
            for each in own
            if each.default is inspect.Parameter.empty
            and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]
        if not any(each.kind is each.VAR_KEYWORD for each in own) or number == len(callables) - 1:
            break
    return list(dict.fromkeys(found))
