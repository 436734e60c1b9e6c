# SPDX-License-Identifier: Apache-2.0
"""Get the file of weights by name, whatever their row is: the one way for every command."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.catalog import Found, read_catalog
from zoo.engine.adoption.adopting import Way, adopt
from zoo.engine.adoption.licences import check_accepted, check_policy, find_restriction
from zoo.errors import UnknownNameError
from zoo.folders import home_expanded
from zoo.manifest.rows import LivingRow, WeightsRow
from zoo.weights import fetch_weights, find_weights, plan_download
from zoo.weights.files import weights_row
from zoo.weights.sources.choosing import find_row

__all__ = ["Obtained", "download", "obtain_weights"]


@dataclass(frozen=True, slots=True)
class Obtained:
    """Weights on this machine.

    Attributes:
        found: Their row and plugin; of adopted weights, the row of the converted file.
        row: The same row.
        path: The verified file.
    """

    found: Found
    row: WeightsRow
    path: Path


def obtain_weights(name: str, way: Way | None = None, *, dest: Path | None = None) -> Obtained:
    """Return the file of weights by name: fetched, judged and converted as far as is needed.

    Args:
        name: ``name``, ``plugin.name`` or ``source/name``, also with ``@VERSION``.
        way: Where files may come from, and what the user allows; None for the row's addresses and
            the user's mirrors.
        dest: Folder for the file; None for the package or the cache.

    Raises:
        UnknownNameError: No weights have that name.
        HashMismatchError: A file has another digest.
        DownloadError: No address provided the file, or it may not be taken unasked.
        CheckpointError: A source cannot be read or converted.
        PluginError: The plugin of the row or of its converter cannot be used.
    """
    way = way or Way()
    listed = _listed(name)
    if listed is not None and isinstance(listed.row, LivingRow):
        check_policy(listed, listed.row)
        adopt(listed, listed.row, way)
    found = find_weights(name)
    row = weights_row(found)
    check_policy(found, row)
    options: dict[str, Any] = {"mirrors": way.mirrors, "offline": way.offline, "dest": dest}
    # Legacy weights come from the user's own disks and mirrors alone.
    is_restricted = listed is not None and find_restriction(row) is not None
    if is_restricted and plan_download(found, **options).here is None:
        check_accepted(found, row, accept=way.accepts_licence)
    return Obtained(found, row, fetch_weights(found, progress=way.progress, **options))


def _listed(name: str) -> Found | None:
    """Return a row as a manifest or a source lists it; None for a legacy name or an unknown one."""
    try:
        return find_row(name, read_catalog())
    except UnknownNameError:
        return None


def download(
    name: str,
    *,
    mirrors: Sequence[str] = (),
    offline: bool = False,
    dest: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Return the verified file of weights; download it if it is not on this machine.

    Weights of another library are converted once, and pinned in ``zoo.lock``.

    Args:
        name: ``name`` or ``plugin.name``, as in `list_weights`.
        mirrors: Addresses or folders to try first, before those of ``ZOO_MIRRORS``.
        offline: Whether to avoid network access; ``ZOO_OFFLINE`` has the same effect.
        dest: Folder for the file; None for the package or the cache.
        progress: Called with the bytes received and the total size in bytes.

    Raises:
        UnknownNameError: No weights have that name.
        HashMismatchError: The existing or the downloaded file has another digest.
        DownloadError: No address provided the file, it cannot be written, or its row does not
            identify it, or its licence is restricted: then ``zoo download NAME`` is needed once,
            with ``--pin`` or ``--accept-licence``.
        CheckpointError: It cannot be read or converted.
        ManifestError: The row contradicts the file.
    """
    folder = None if dest is None else home_expanded(dest, "dest")
    way = Way(mirrors, offline=offline, progress=progress)
    return obtain_weights(name, way, dest=folder).path
