# SPDX-License-Identifier: Apache-2.0
"""Read a manifest, or return what it said when it was read last: same bytes, same reading."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.catalog.readings.kept import Readings
from zoo.documents import DocumentError, read_file
from zoo.manifest.reading import LIMITS, read_manifest
from zoo.manifest.rows import BaseRow, ConfigRow, LegacyIndexRow, Manifest
from zoo.manifest.shelf import read_shelf_file

__all__ = ["read_once"]


def read_once(path: Path, readings: Readings) -> Manifest:
    """Return what `zoo.manifest.reading.read_manifest` returns, and raise what it raises.

    Args:
        path: A ``zoo_plugin.toml`` in the folder of its package.
        readings: Where readings are found and kept; those of broken manifests never are.
    """
    from hashlib import sha256

    try:
        data = read_file(path, LIMITS.size_bytes)
    except (OSError, DocumentError):
        return read_manifest(path)
    digest = sha256(data).hexdigest()
    known = readings.find(digest, path)
    if known is not None and _holds(known):
        return known
    manifest = read_manifest(path, data)
    readings.keep(digest, manifest)
    return manifest


def _holds(known: Manifest) -> bool:
    """Return whether what a manifest says beside its bytes holds here: its folder and its files."""
    from hashlib import sha256

    folder = known.folder
    if folder.name not in (known.package, known.plugin):
        return False
    rows: list[ConfigRow | BaseRow | LegacyIndexRow] = [*known.configs, *known.bases]
    rows += known.legacy_indexes
    if not all(os.path.isfile(folder / row.file) for row in rows):
        return False
    try:
        return all(
            sha256(read_shelf_file(folder / shelf.file)).hexdigest() == shelf.sha256
            for shelf in known.shelves
        )
    except (OSError, DocumentError):
        return False
