# SPDX-License-Identifier: Apache-2.0
"""List weights, and download the files of their rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import Found, read_catalog
from zoo.errors import DownloadError, HashMismatchError, UnknownNameError
from zoo.manifest.rows import BACKBONE, UPSTREAM_TASKS, AnyWeightsRow, LivingRow, WeightsRow
from zoo.texts import shown
from zoo.weights.cache import cache_folder, part_path, weights_filename
from zoo.weights.fetching.addresses import (
    is_local,
    is_of_this_machine,
    is_offline,
    local_path,
    mirror_addresses,
    shown_address,
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
from zoo.weights.lock import check_locked
from zoo.weights.row_check import check_row

__all__ = [
    "Plan",
    "add_to_cache",
    "fetch_weights",
    "foresee_asked",
    "list_weights",
    "plan_download",
    "weights_addresses",
]

_LOG = logging.getLogger("zoo")
_PACKAGE = "package:"

Progress = Callable[[int, int], None]


def list_weights(
    *, task: str | None = None, plugin: str | None = None
) -> tuple[AnyWeightsRow, ...]:
    """Return the available weights, sorted by name; their files may not be downloaded yet.

    Args:
        task: ``semantic``, ``instance`` or ``backbone``; None for all.
        plugin: Name of a plugin; None for all plugins.

    Raises:
        UnknownNameError: No plugin or task has that name.

    Example:
        ``[weights.name for weights in zoo.list_weights(task="semantic")]``
    """
    catalog = read_catalog()
    if plugin is not None:
        catalog.plugin(plugin)
    if task not in (None, *UPSTREAM_TASKS, BACKBONE):
        message = f"no task named {shown(task)}."
        hint = f"there are {', '.join((*UPSTREAM_TASKS, BACKBONE))}."
        raise UnknownNameError(message, kind="task", name=str(task), hint=hint)
    rows = [
        found.row
        for found in catalog.rows("weights")
        if isinstance(found.row, (WeightsRow, LivingRow))
        and task in (None, found.row.task)
        and plugin in (None, found.record.name)
    ]
    return tuple(sorted(rows, key=lambda row: row.name))


def fetch_weights(
    found: Found,
    *,
    mirrors: Sequence[str] = (),
    offline: bool = False,
    dest: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return the verified file of a row from the package, the cache or a download.

    Args:
        found: A row of kind ``weights`` from the catalog.
        mirrors: Addresses or folders to try first, before those of ``ZOO_MIRRORS``.
        offline: Whether to avoid network access; ``ZOO_OFFLINE`` has the same effect.
        dest: Folder for the file, created if missing; None for the package or the cache.
        progress: Called with the bytes received and the total size in bytes.

    Raises:
        HashMismatchError: The file in ``dest`` or the downloaded file has another digest.
        DownloadError: No address provided the file, or it cannot be written.
        ManifestError: The row contradicts the file, which is kept.
    """
    row = weights_row(found)
    check_locked(row.name, row.sha256)
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
        _warn_of_damage(plan)  # the package's file may be damaged while the cached one is fine
        return plan.here
    if dest is not None and plan.target.exists():
        check_file(plan.target, plan.sha256, plan.size_bytes)
        return plan.target
    here = [] if plan.here is None else [plan.here.resolve().as_uri()]
    addresses = [*here, *plan.addresses]
    if not addresses:
        raise _unobtainable(found, plan, offline=is_offline(offline))
    _warn_of_damage(plan)
    # A damaged file in the cache is replaced; a good one would be `here`.
    mend, wanted = dest is None, (plan.sha256, plan.size_bytes)
    return fetch_file(plan.target, *wanted, addresses, progress=progress, mend=mend)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a download.

    Attributes:
        sha256: Digest of the file.
        size_bytes: Size of the file.
        here: Verified file in the package or the cache, or None.
        damaged: Error of a damaged file in the package or the cache, or None.
        target: Path to write the file to.
        kept_bytes: Bytes left by an interrupted run.
        addresses: Addresses to try, in order.
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
    """Return what `fetch_weights` would do, without writing anything or network access.

    Args:
        found: A row of weights and its plugin.
        mirrors: Base addresses or folders to try before the row's own addresses.
        offline: Whether to plan without network access.
        dest: Folder for the file; None for the cache.

    Raises:
        DownloadError: A mirror is not an address, or a file cannot be read.
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
    """Return the remote addresses to try, and the local file that would end the search.

    Local addresses without the file are ignored. There is no network access.

    Args:
        plan: A plan from `plan_download`.
    """
    asked: list[str] = []
    for address in plan.addresses if plan.here is None else ():
        if not is_local(address):
            asked.append(address)
        elif is_of_this_machine(address):
            path = local_path(address)
            with suppress(DownloadError, ValueError):  # missing, another file, or not a path
                check_file(path, plan.sha256, plan.size_bytes)
                return tuple(asked), path
    return tuple(asked), plan.here


def weights_addresses(row: WeightsRow, mirrors: Sequence[str]) -> list[str]:
    """Return the addresses of a row in the order to try, mirrors first.

    Args:
        row: A row of weights.
        mirrors: Base addresses of mirrors, in order of preference.
    """
    filename = weights_filename(row)
    listed = [url for mirror in mirrors for url in mirror_addresses(mirror, row.sha256, filename)]
    return [*listed, *(url for url in row.urls if not url.startswith(_PACKAGE))]


def add_to_cache(source: Path, sha256: str, size_bytes: int, name: str) -> Path:
    """Copy a file into the cache, verify it, and return its new path.

    The copy appears complete or not at all. ``source`` is not changed. A file that is already
    cached is not copied again.

    Args:
        source: The file to copy.
        sha256: Expected digest, 64 hex digits, lower case.
        size_bytes: Expected size.
        name: File name in the cache, with suffix.

    Raises:
        HashMismatchError: The file has another digest.
        DownloadError: It cannot be read, or the cache cannot be written.
    """
    target = cache_folder() / sha256 / name
    return fetch_file(target, sha256, size_bytes, [source.resolve().as_uri()], mend=True)


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
        where = ", ".join([found.record.label, *map(shown_address, row.urls[:1])])
        return DownloadError(f"cannot download {called}: {absent}.", where=where, hint=hint)
    bad = plan.damaged
    message = f"cannot download {called}: the file here is damaged, and {barred}.\n"
    message += f"  {bad.message}"
    if bad.actual not in bad.message:  # a different size was sufficient
        message += f" Its sha256 should be {bad.expected}."
    digests = {"expected": bad.expected, "actual": bad.actual}
    return HashMismatchError(message, **digests, where=bad.where, hint=hint)
