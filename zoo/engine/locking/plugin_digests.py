# SPDX-License-Identifier: Apache-2.0
"""A plugin as a row of a lock: its version, and the digests of its manifest and its package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from zoo.catalog import PluginRecord
from zoo.errors import PluginError
from zoo.files import digest_of_file
from zoo.weights.lock_file.team import LockedPlugin

__all__ = ["describe_plugin"]

# What a machine adds to a package by itself, builds for its own processor, or does not install.
_SKIPPED_FOLDERS = ("__pycache__", "tests")
_SKIPPED_SUFFIXES = (".pyc", ".pyo", ".so", ".pyd", ".dylib", ".orig", ".rej", ".swp", "~")


def describe_plugin(record: PluginRecord) -> LockedPlugin:
    """Return a plugin as a lock states it; nothing of it is imported.

    Args:
        record: A plugin of the catalog.

    Raises:
        PluginError: The plugin cannot be used, or a file of it cannot be read.
    """
    manifest = record.checked()
    try:
        digests = (digest_of_file(manifest.path), _digest_of_package(manifest.folder))
    except OSError as error:
        message = f"cannot lock plugin {record.name!r}: {error.strerror or error}."
        where = str(error.filename or manifest.folder)
        hint = "check the permissions of its files."
        raise PluginError(message, plugin=record.name, where=where, hint=hint) from error
    return LockedPlugin(record.name, manifest.version, *digests)


def _digest_of_package(folder: Path) -> str:
    """Return one digest of all files of a package and of their paths in it."""
    whole = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        inside = path.relative_to(folder).as_posix()
        whole.update(f"{digest_of_file(path)}  {inside}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS and name[:1] != "."]
        for name in names:
            if name[:1] != "." and not name.endswith(_SKIPPED_SUFFIXES):
                yield Path(place, name)
