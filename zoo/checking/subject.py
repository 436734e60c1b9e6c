# SPDX-License-Identifier: Apache-2.0
"""The plugin under check: its folders and files, before anything of it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo.manifest.reading import MANIFEST_NAME
from zoo.manifest.rows import Manifest

__all__ = ["Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A plugin as files.

    Attributes:
        package: Folder of the package, which holds the manifest.
        project: Folder of ``pyproject.toml``; None for an installed or dropped-in package.
        manifest: The manifest, or None if it cannot be read.
    """

    package: Path
    project: Path | None
    manifest: Manifest | None

    @property
    def manifest_path(self) -> Path:
        """Return the file of the manifest, whether it exists or not."""
        return self.package / MANIFEST_NAME
