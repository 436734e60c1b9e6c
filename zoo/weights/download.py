# SPDX-License-Identifier: Apache-2.0
"""Weights by name: what there is, and its file, fetched where it is not here yet."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import Found, read_catalog
from zoo.errors import DownloadError, HashMismatchError, UnknownNameError
from zoo.manifest.rows import UPSTREAM_TASKS, WeightsRow
from zoo.texts import shown
from zoo.weights.by_name import find_weights
from zoo.weights.cache import cache_folder, part_path, weights_filename
from zoo.weights.fetching.addresses import (
    is_local,
    is_of_this_machine,
    local_path,
    mirror_addresses,
    user_mirrors,
)
from zoo.weights.fetching.all_tries import fetch_file
from zoo.weights.files import (
    check_file,
    first_that_holds,
    local_files,
    mirror_hint,
    weights_row,
)
from zoo.weights.folders import home_expanded
from zoo.weights.row_check import check_row

__all__ = [
    "Plan",
    "add_to_cache",
    "download",
    "fetch_weights",
    "foresee_asked",
    "is_offline",
    "list_weights",
    "plan_download",
    "weights_addresses",
]

_LOG = logging.getLogger("zoo")
_PACKAGE = "package:"

Progress = Callable[[int, int], None]


def list_weights(*, task: str | None = None, plugin: str | None = None) -> tuple[WeightsRow, ...]:
    """Return the weights that can be had, sorted by name; their files may not be here yet.

    Args:
        task: ``semantic`` or ``instance``; None for both.
        plugin: Only those of this plugin; None for all.

    Raises:
        UnknownNameError: There is no such plugin or task.

    Example:
        ``[weights.name for weights in zoo.list_weights(task="semantic")]``
    """
    catalog = read_catalog()
    if plugin is not None:
        catalog.plugin(plugin)
    if task not in (None, *UPSTREAM_TASKS):
        message = f"no task named {shown(task)}."
        hint = f"there are {', '.join(UPSTREAM_TASKS)}."
        raise UnknownNameError(message, kind="task", name=str(task), hint=hint)
    rows = [
        found.row
        for found in catalog.rows("weights")
        if isinstance(found.row, WeightsRow)
        and task in (None, found.row.task)
        and plugin in (None, found.record.name)
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def download(
    name: str,
    *,
    mirrors: Sequence[str] = (),
    offline: bool = False,
    dest: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the verified file of weights, fetched if it is not on this machine.

    Args:
        name: ``name`` or ``plugin.name``, as `list_weights` has it.
        mirrors: Addresses or folders to ask first; those of ``ZOO_MIRRORS`` come after them.
        offline: Whether to open no socket, as ``ZOO_OFFLINE`` says too.
        dest: A folder for the file; None for the package or the cache.
        progress: Called with the bytes that are there, and those of the whole file.

    Raises:
        UnknownNameError: There are no weights of that name.
        HashMismatchError: What is there, or was given, is another file.
        DownloadError: No address gave it, or it cannot be written.
        ManifestError: The row says otherwise than the file.
    """
    found = find_weights(name)
    folder = None if dest is None else home_expanded(dest, "dest")
    return fetch_weights(found, mirrors=mirrors, offline=offline, dest=folder, progress=progress)


def fetch_weights(
    found: Found,
    *,
    mirrors: Sequence[str] = (),
    offline: bool = False,
    dest: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the verified file of a weights row: the package's, the cache's, or fetched.

    Args:
        found: A row of kind ``weights``, as the catalog returns it.
        mirrors: Addresses or folders to ask first; those of ``ZOO_MIRRORS`` come after them.
        offline: Whether to open no socket, as ``ZOO_OFFLINE`` says too.
        dest: A folder for the file, which is made; None for the package or the cache.
        progress: Called with the bytes that are there, and those of the whole file.

    Raises:
        HashMismatchError: ``dest`` has another file of that name, or an address gave other bytes.
        DownloadError: No address gave it, or it cannot be written.
        ManifestError: The row says otherwise than the file, which stays where it is.
    """
    path = _fetch(found, mirrors, offline=offline, dest=dest, progress=progress)
    check_row(found, path)
    return path


def _fetch(
    found: Found,
    mirrors: Sequence[str],
    *,
    offline: bool,
    dest: Path | None,
    progress: Progress | None,
) -> Path:
    plan = plan_download(found, mirrors=mirrors, offline=offline, dest=dest)
    if dest is None and plan.here is not None:
        _warn_of_damage(plan)  # as of a package's file, where the cache's is right
        return plan.here
    if dest is not None and plan.target.exists():
        check_file(plan.target, plan.sha256, plan.size_bytes)
        return plan.target
    here = [] if plan.here is None else [plan.here.resolve().as_uri()]
    addresses = [*here, *plan.addresses]
    if not addresses:
        raise _unobtainable(found, plan, offline=is_offline(offline))
    _warn_of_damage(plan)
    # In the cache a file whose bytes do not hold makes way for the new one: else it were `here`.
    mend, wanted = dest is None, (plan.sha256, plan.size_bytes)
    return fetch_file(plan.target, *wanted, addresses, progress=progress, mend=mend)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a download of weights comes to.

    Attributes:
        sha256: Of the file.
        size_bytes: Of the file.
        here: Where the package or the cache has it, verified; None if neither does.
        damaged: Why a file that the package or the cache has is not it; None if none is such.
        target: Where it would be written.
        kept_bytes: What an interrupted run left of it.
        addresses: Where it would be asked for, in this order.
    """

    sha256: str
    size_bytes: int
    here: Path | None
    damaged: HashMismatchError | None
    target: Path
    kept_bytes: int
    addresses: tuple[str, ...]


def plan_download(
    found: Found,
    *,
    mirrors: Sequence[str] = (),
    offline: bool = False,
    dest: Path | None = None,
) -> Plan:
    """Return what `fetch_weights` would do; nothing is written, and no socket opened.

    Args:
        found: A row of weights and its plugin.
        mirrors: Base addresses or folders to try before the row's own addresses.
        offline: Whether to plan without network access.
        dest: Folder for the file; None for the cache.

    Raises:
        DownloadError: A mirror is no address, or a file cannot be read.
    """
    row = weights_row(found)
    target = (cache_folder() / row.sha256 if dest is None else dest) / weights_filename(row)
    addresses = weights_addresses(row, user_mirrors(mirrors))
    if is_offline(offline):
        addresses = [address for address in addresses if is_local(address)]
    part = part_path(target)
    kept_bytes = part.stat().st_size if part.is_file() and not part.is_symlink() else 0
    here, damaged = first_that_holds(local_files(found), row.sha256, row.size_bytes)
    facts = (row.sha256, row.size_bytes, here, damaged, target, kept_bytes)
    return Plan(*facts, tuple(addresses))


def foresee_asked(plan: Plan) -> tuple[tuple[str, ...], Path | None]:
    """Return the addresses that would be asked, and the local file that would end the asking.

    Of addresses on this machine, those that lack the file count for nothing. No socket is opened.

    Args:
        plan: A plan from `plan_download`.
    """
    asked: list[str] = []
    for address in plan.addresses if plan.here is None else ():
        if not is_local(address):
            asked.append(address)
        elif is_of_this_machine(address):
            path = local_path(address)
            with suppress(DownloadError, ValueError):  # none, another, or no path at all
                check_file(path, plan.sha256, plan.size_bytes)
                return tuple(asked), path
    return tuple(asked), plan.here


def weights_addresses(row: WeightsRow, mirrors: Sequence[str]) -> list[str]:
    """Return the addresses of a row in the order in which they are asked: mirrors first.

    Args:
        row: A row of weights.
        mirrors: Base addresses of mirrors, in order of preference.
    """
    filename = weights_filename(row)
    listed = [url for mirror in mirrors for url in mirror_addresses(mirror, row.sha256, filename)]
    return [*listed, *(url for url in row.urls if not url.startswith(_PACKAGE))]


def add_to_cache(source: Path, sha256: str, size_bytes: int, name: str) -> Path:
    """Copy a file into the cache, verified on the way, and return where it lies there.

    It appears whole or not at all; ``source`` is only read. What the cache has is not copied
    again.

    Args:
        source: The file.
        sha256: What it must have, 64 hex digits, lower case.
        size_bytes: How long it must be.
        name: The file's name in the cache, with its ending.

    Raises:
        HashMismatchError: It is another file.
        DownloadError: It cannot be read, or the cache cannot be written.
    """
    target = cache_folder() / sha256 / name
    return fetch_file(target, sha256, size_bytes, [source.resolve().as_uri()], mend=True)


def is_offline(asked: bool = False) -> bool:
    """Return whether no socket may be opened: asked for, or ``ZOO_OFFLINE`` is set, but to 0.

    Args:
        asked: Whether the caller asked for offline mode.
    """
    return asked or os.environ.get("ZOO_OFFLINE", "0") not in ("", "0")


def _warn_of_damage(plan: Plan) -> None:
    if plan.damaged is not None:
        _LOG.warning("%s", plan.damaged.message)


def _unobtainable(found: Found, plan: Plan, *, offline: bool) -> DownloadError:
    row = weights_row(found)
    called = repr(row.name)
    if row.urls and all(url.startswith(_PACKAGE) for url in row.urls):
        absent, barred = f"the package lacks {weights_filename(row)}", "no other location is known"
        hint = mirror_hint(row)
    elif offline:
        absent, barred = "it is not on this machine", "no address may be used"
        called = f"{called} offline"
        hint = "drop --offline and ZOO_OFFLINE, or name a folder that has it with --mirror."
    else:
        absent = barred = "its host is gone, and no mirror is set"
        hint = "name a folder or a server that zoo rescue --mirror-out filled, with --mirror."
    if plan.damaged is None:
        where = ", ".join([f"plugin {found.record.name}", *row.urls[:1]])
        return DownloadError(f"cannot download {called}: {absent}.", where=where, hint=hint)
    bad = plan.damaged
    message = f"cannot download {called}: the file here is damaged, and {barred}.\n"
    message += f"  {bad.message}"
    if bad.actual not in bad.message:  # another size was enough
        message += f" Its sha256 should be {bad.expected}."
    digests = {"expected": bad.expected, "actual": bad.actual}
    return HashMismatchError(message, **digests, where=bad.where, hint=hint)
