# SPDX-License-Identifier: Apache-2.0
"""What a team's ``zoo.lock`` holds beside weights: the plugins and the configs, by digest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zoo.names import PLUGIN_NAME, PLUGIN_VERSION
from zoo.texts import shown
from zoo.weights.lock_file.document import bad_lock, changing, read_sections, write_sections
from zoo.weights.lock_file.rows import by_key, read_row, stated

__all__ = ["LockedConfig", "LockedPlugin", "add_rows", "read_configs", "read_plugins"]


@dataclass(frozen=True, slots=True)
class LockedPlugin:
    """A plugin, as it was when it was locked.

    Attributes:
        name: Name of the plugin.
        version: Its version.
        manifest_sha256: Digest of its manifest.
        files_sha256: Digest of all files of its package, by their paths in it.
    """

    name: str
    version: str
    manifest_sha256: str
    files_sha256: str


@dataclass(frozen=True, slots=True)
class LockedConfig:
    """A config, as it was when it was locked.

    Attributes:
        name: ``plugin.name``, ``mmseg::path``, or a path from the folder of the lock file.
        sha256: Digest of its content with all bases resolved.
    """

    name: str
    sha256: str


_LockedT = TypeVar("_LockedT", LockedPlugin, LockedConfig)


def read_plugins(file: Path) -> dict[str, LockedPlugin]:
    """Return the plugins of a lock file by name.

    Args:
        file: A ``zoo.lock``.

    Raises:
        DownloadError: It cannot be read, or is not a valid lock file.
    """
    found = _read(file, "plugins", LockedPlugin)
    for row in found.values():
        # Both stand in the line for pip that `zoo sync` prints.
        for key, value, form in (
            ("name", row.name, PLUGIN_NAME),
            ("version", row.version, PLUGIN_VERSION),
        ):
            if re.fullmatch(form, value) is None:
                raise bad_lock(file, f"a row of plugins: {key} is {shown(value)}")
    return found


def read_configs(file: Path) -> dict[str, LockedConfig]:
    """Return the configs of a lock file by name.

    Args:
        file: A ``zoo.lock``.

    Raises:
        DownloadError: It cannot be read, or is not a valid lock file.
    """
    return _read(file, "configs", LockedConfig)


def _read(file: Path, section: str, kind: type[_LockedT]) -> dict[str, _LockedT]:
    rows = read_sections(file)[section]
    read = [read_row(file, section, number, row, kind) for number, row in enumerate(rows, 1)]
    return by_key(file, section, read, lambda row: row.name)


def add_rows(
    file: Path, plugins: Iterable[LockedPlugin] = (), configs: Iterable[LockedConfig] = ()
) -> None:
    """Add rows to a lock file, or replace those of the same names; other sections are kept.

    Args:
        file: The lock file.
        plugins: Plugins to add.
        configs: Configs to add.

    Raises:
        DownloadError: The file cannot be read or written, or ``ZOO_FROZEN`` is set.
    """
    new_plugins = {row.name: row for row in plugins}
    new_configs = {row.name: row for row in configs}
    with changing(file):
        known_plugins, known_configs = read_plugins(file), read_configs(file)
        is_known = new_plugins.items() <= known_plugins.items()
        if is_known and new_configs.items() <= known_configs.items():
            return
        sections = read_sections(file)
        sections["plugins"] = _sorted(known_plugins | new_plugins)
        sections["configs"] = _sorted(known_configs | new_configs)
        write_sections(file, sections)


def _sorted(rows: dict[str, LockedPlugin] | dict[str, LockedConfig]) -> list[object]:
    return [stated(rows[name]) for name in sorted(rows)]
