# SPDX-License-Identifier: Apache-2.0
"""The plugin under check: its folders and files, before anything of it is imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo.manifest.reading import MANIFEST_NAME
from zoo.manifest.rows import Manifest
from zoo.manifest.survey import Survey, survey_manifest

__all__ = ["Subject", "read_subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A plugin as files.

    Attributes:
        package: Folder of the package, which holds the manifest.
        project: Folder of ``pyproject.toml``; None for an installed or dropped-in package.
        manifest: The manifest, with those of its rows that can be read; None if none can.
        survey: Everything that is wrong in the manifest, and its TOML.
        core_commands: Group (None for ``zoo`` itself) -> names of zoo's own commands; empty where
            nobody told them, as this room lies below the command line.
        data: Data of its user's, on which numbers of its weights can be measured again; None for
            what plugins draw.
    """

    package: Path
    project: Path | None
    manifest: Manifest | None
    survey: Survey = field(default=Survey(None), repr=False)
    core_commands: Mapping[str | None, Collection[str]] = field(default_factory=dict, repr=False)
    data: Path | None = None

    @property
    def manifest_path(self) -> Path:
        """Return the file of the manifest, whether it exists or not."""
        return self.package / MANIFEST_NAME

    @property
    def name(self) -> str:
        """Return the plugin's name, guessed from its package if the manifest cannot be read."""
        if self.manifest is not None:
            return self.manifest.plugin
        return self.package.name.removeprefix("zoo_")

    @property
    def package_name(self) -> str:
        """Return the name under which Python imports the package."""
        return f"zoo_{self.name}"

    @property
    def is_library(self) -> bool:
        """Return whether it adds nothing to zoo: a library, which may be installed without it."""
        if self.manifest is None:
            return False
        found = self.manifest
        return not (
            found.contributions
            or found.configs
            or found.bases
            or found.weights
            or found.legacy_indexes
        )


def read_subject(package: Path, project: Path | None = None) -> Subject:
    """Read a plugin's manifest; a broken one is part of the subject.

    Args:
        package: Folder of the package.
        project: Folder of ``pyproject.toml``, or None.
    """
    survey = survey_manifest(package / MANIFEST_NAME)
    return Subject(package, project, survey.manifest, survey)
