# SPDX-License-Identifier: Apache-2.0
"""``zoo cache``: list the files in the weights cache, and remove them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zoo.cli.options.completion import complete_cached
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.plugged_group import PluggedGroup

if TYPE_CHECKING:
    from zoo.errors import PluginError
    from zoo.weights import CachedFile

__all__ = ["group", "ls", "prune", "rm"]

_SHORTEST = 8  # least number of hex digits of a digest

group = PluggedGroup(
    "cache",
    group_name="cache",
    help="List or remove downloaded weights.",
    lazy={
        "ls": ("zoo.cli.cache:ls", "List the files of the cache."),
        "rm": ("zoo.cli.cache:rm", "Remove weights from the cache."),
        "prune": ("zoo.cli.cache:prune", "Remove files that nothing names any more."),
    },
)


@click.command(cls=ZooCommand)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(wide: bool, as_json: bool) -> None:
    """List the files of the cache: weights, size, digest and state.

    Nothing is hashed: `whole` is a file of the right size, `damaged` one of another size,
    `unchecked` one of unknown size. `zoo verify` hashes them.
    """
    from zoo.weights import cache_folder, find_cached

    named, errors = _named()
    names = _by_digest(named)
    sizes = {one.sha256: one.size_bytes for one in named}
    for error in errors:
        say(f"note: names may be missing: {error.message}", err=True)
    rows: list[dict[str, Any]] = [
        {
            "name": names.get(found.sha256, []),
            "file": found.name,
            "state": _state(found, sizes.get(found.sha256)),
            "size": f"{found.size_bytes / 1e6:,.1f} MB",
            "size_bytes": found.size_bytes,
            "sha256": found.sha256,
            "path": str(found.path),
        }
        for found in find_cached()
    ]
    rows += _staged_rows()
    columns = ["name", "file", "state", "size", "sha256"]
    empty = f"nothing is cached in {cache_folder()}"
    print_rows(rows, columns, as_json=as_json, wide=wide, empty=empty)


def _state(found: CachedFile, size_bytes: int | None) -> str:
    """Return the state of a file without hashing it, which `zoo verify` does."""
    if found.is_part:
        return "interrupted"
    if size_bytes is None:  # what named it is not installed, or never was
        return "unchecked"
    return "whole" if found.size_bytes == size_bytes else "damaged"


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_cached)
def rm(names: tuple[str, ...]) -> None:
    """Remove the weights NAME from the cache: a name, a file name, or 8 digits of its sha256."""
    from zoo.weights import find_cached, remove_cached

    files, (known, _) = find_cached(), _names()
    chosen = {found.path: found for name in names for found in _choose(name, files, known)}
    for found in chosen.values():
        remove_cached(found)
        say(f"removed {found.path}")


@click.command(cls=ZooCommand)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, without removing it.")
def prune(dry_run: bool) -> None:
    """Remove interrupted downloads, and weights that neither a plugin nor zoo.lock names.

    What zoo keeps of manifests, so as to start sooner, goes too where the manifest is gone, and
    where another version of zoo or another user kept it. Without readings.key, all of it stays.

    Plugins hidden by ZOO_PLUGINS count as well, and so does the user's own zoo.lock if ZOO_LOCK
    names another. Nothing is removed while a plugin cannot be read. While a rescue is running,
    only interrupted downloads are removed, because it has yet to name the files it adopts.
    """
    from zoo.errors import DownloadError
    from zoo.weights import remove_cached
    from zoo.weights.staging import find_staged, is_held, remove_staged

    freed_bytes = 0
    for found in _removable():
        try:
            if not dry_run:
                remove_cached(found)
        except DownloadError as error:  # it is being downloaded
            say(error.message, err=True)
            continue
        say(f"{'would remove' if dry_run else 'removed'} {found.path}")
        freed_bytes += found.size_bytes
    for folder in find_staged():
        size_bytes = _size_bytes(folder)
        if not is_held(folder) if dry_run else remove_staged(folder):
            say(f"{'would remove' if dry_run else 'removed'} {folder}")
            freed_bytes += size_bytes
    freed_bytes += _prune_sources(dry_run=dry_run) + _prune_readings(dry_run=dry_run)
    say(f"{freed_bytes / 1e6:,.1f} MB {'would be ' if dry_run else ''}freed", err=True)


def _prune_sources(*, dry_run: bool) -> int:
    """Remove what interrupted adoptions left of sources, and return the bytes."""
    import shutil

    from zoo.weights.source_files import find_sources, is_fetched_now

    freed_bytes = 0
    for folder in find_sources():
        if is_fetched_now(folder):
            say(f"cannot remove {folder}: another process is downloading it.", err=True)
            continue
        freed_bytes += _size_bytes(folder)
        say(f"{'would remove' if dry_run else 'removed'} {folder}")
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
    return freed_bytes


def _prune_readings(*, dry_run: bool) -> int:
    """Remove what was kept of manifests that are gone, or by another zoo; return the bytes."""
    from hashlib import sha256

    from zoo.catalog.readings.kept import Readings
    from zoo.documents import DocumentError, read_file
    from zoo.manifest.discovery import find_candidates
    from zoo.manifest.reading import LIMITS
    from zoo.texts import counted

    digests = set()
    for candidate in find_candidates():
        with suppress(OSError, DocumentError):
            if candidate.manifest is not None:
                data = read_file(candidate.manifest, LIMITS.size_bytes)
                digests.add(sha256(data).hexdigest())
    stale = Readings().find_stale(digests)
    freed_bytes = 0
    for path in stale:
        with suppress(OSError):  # another process removed it
            freed_bytes += path.stat().st_size
            if not dry_run:
                path.unlink()
    if stale:
        count = counted(len(stale), "reading")
        verb = "would remove" if dry_run else "removed"
        say(f"{verb} {count} of manifests in {stale[0].parent.parent}")
    return freed_bytes


def _removable() -> list[CachedFile]:
    """Return the removable files of the cache, and report what is kept during a rescue."""
    from zoo.weights import find_cached
    from zoo.weights.staging import find_staged, is_held

    # In this order: the adopter of a listed file is still at work, or has pinned it by now.
    files = find_cached()
    busy = [folder for folder in find_staged() if is_held(folder)]
    names, errors = _names()
    _check_all_read(errors)
    unnamed = [found for found in files if not found.is_part and found.sha256 not in names]
    if busy and unnamed:
        note = f"kept {len(unnamed)} files without a name: a rescue is running in {busy[0]} "
        say(f"{note}and may still name them; prune again when it has ended.", err=True)
    return [found for found in files if found.is_part or (found in unnamed and not busy)]


def _staged_rows() -> list[dict[str, Any]]:
    """Return the rows of the folders in which `zoo rescue` or an adoption works, or was stopped."""
    from zoo.weights.source_files import find_sources, is_fetched_now
    from zoo.weights.staging import find_staged, is_held

    folders = {folder: is_held(folder) for folder in find_staged() if folder.is_dir()}
    folders |= {folder: is_fetched_now(folder) for folder in find_sources()}
    sizes = {folder: _size_bytes(folder) for folder in folders}
    return [
        {
            "name": [],
            "file": folder.name,
            "state": "in use" if folders[folder] else "left over",
            "size": f"{size_bytes / 1e6:,.1f} MB",
            "size_bytes": size_bytes,
            "sha256": "",
            "path": str(folder),
        }
        for folder, size_bytes in sizes.items()
    ]


def _size_bytes(folder: Path) -> int:
    """Return the size of a folder, from which a running process may remove files."""
    size_bytes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size_bytes += Path(place, name).stat().st_size
    return size_bytes


class _Named(NamedTuple):
    """Weights that somebody names: a row of a manifest, or a pin."""

    sha256: str
    name: str
    size_bytes: int


def _names() -> tuple[dict[str, list[str]], list[PluginError]]:
    """Return digest -> names of the weights that have it, and the errors of unreadable plugins."""
    named, errors = _named()
    return _by_digest(named), errors


def _by_digest(named: list[_Named]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for one in dict.fromkeys((one.sha256, one.name) for one in named):
        names.setdefault(one[0], []).append(one[1])
    return names


def _named() -> tuple[list[_Named], list[PluginError]]:
    """Return the named weights, and the errors of unreadable plugins.

    Unlike the catalog, plugins that ZOO_PLUGINS hides count: who hides them keeps their weights.
    """
    from zoo.errors import PluginError
    from zoo.manifest.discovery import find_candidates
    from zoo.manifest.reading import read_manifest
    from zoo.manifest.rows import WeightsRow

    named: list[_Named] = []
    errors: list[PluginError] = []
    for candidate in find_candidates():
        try:
            if candidate.manifest is not None:
                rows = read_manifest(candidate.manifest).weights
                # The converted files of living rows are pinned.
                whole = [row for row in rows if isinstance(row, WeightsRow)]
                named += [_Named(row.sha256, row.name, row.size_bytes) for row in whole]
            elif candidate.error is not None:
                errors.append(candidate.error)
        except PluginError as error:
            errors.append(error)
    return [*named, *_of_sources(errors), *_pinned()], errors


def _of_sources(errors: list[PluginError]) -> list[_Named]:
    """Return the weights of the sources in every version; an unreadable source is an error."""
    from zoo.errors import PluginError, SourceError, UnknownNameError
    from zoo.manifest.rows import WeightsRow
    from zoo.weights.sources.book import read_book
    from zoo.weights.sources.lookup import all_rows

    named: list[_Named] = []
    try:
        rows = [row for name in read_book() for row in all_rows(name)]
        named = [
            _Named(row.sha256, row.name, row.size_bytes)
            for row in rows
            if isinstance(row, WeightsRow)
        ]
    except (SourceError, UnknownNameError) as error:
        errors.append(PluginError(error.message, where=error.where, hint=error.hint))
    return named


def _pinned() -> list[_Named]:
    """Return the pins of the lock that ZOO_LOCK names and of the user's lock."""
    from zoo.weights.lock import lock_file, own_lock_file, read_pins

    files = dict.fromkeys([lock_file(), own_lock_file()])
    pins = [pin for file in files for pin in read_pins(file).values()]
    return [_Named(pin.sha256, pin.name, pin.size_bytes) for pin in pins]


def _check_all_read(errors: list[PluginError]) -> None:
    """Refuse while an unreadable plugin may name weights."""
    from zoo.errors import PluginError

    hint = "`zoo cache rm NAME` removes chosen weights anyway."
    for error in errors:
        message = (
            f"cannot prune while a plugin that may name weights cannot be read: {error.message}"
        )
        raise PluginError(
            message, plugin=error.plugin, where=error.where, hint=f"fix or uninstall it; {hint}"
        )
    for folder in filter(None, os.environ.get("ZOO_PLUGIN_PATH", "").split(os.pathsep)):
        if not Path(folder).is_dir():
            message = "cannot prune while plugins that may name weights are missing: "
            message += f"ZOO_PLUGIN_PATH names {folder!r}, but that folder does not exist."
            raise PluginError(
                message, where=folder, hint=f"restore it, or remove it from the variable; {hint}"
            )


def _choose(
    name: str, files: tuple[CachedFile, ...], known: dict[str, list[str]]
) -> list[CachedFile]:
    from zoo.errors import UnknownNameError
    from zoo.names import hint_near, near_names

    is_digest = len(name) >= _SHORTEST and set(name) <= set("0123456789abcdef")
    chosen = [
        found
        for found in files
        if name in (found.name, *known.get(found.sha256, []))
        or (is_digest and found.sha256.startswith(name))
    ]
    digests = sorted({found.sha256 for found in chosen})
    if len(digests) == 1:
        return chosen
    if digests:
        message = f"cannot choose what to remove: {name!r} names {len(digests)} files."
        hint = f"give digits of the sha256: {', '.join(each[:12] for each in digests)}."
    else:
        message = f"nothing is cached under the name {name!r}."
        names = [each for found in files for each in (found.name, *known.get(found.sha256, []))]
        hint = hint_near(near_names(name, names), "zoo cache ls shows all.")
    raise UnknownNameError(message, kind="cached file", name=name, near=digests, hint=hint)
