# SPDX-License-Identifier: Apache-2.0
"""``zoo cache``: what lies in the folder of weights, and what may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zoo.cli import LazyGroup
from zoo.cli.errors import ZooCommand

if TYPE_CHECKING:
    from zoo.weights import CachedFile

__all__ = ["group", "ls", "prune", "rm"]

_SHORTEST = 8  # hex digits that are taken for a digest

group = LazyGroup(
    "cache",
    help="List or remove weights that were fetched.",
    lazy={
        "ls": ("zoo.cli.cache:ls", "List the files of the cache."),
        "rm": ("zoo.cli.cache:rm", "Remove weights from the cache."),
        "prune": ("zoo.cli.cache:prune", "Remove what nothing names any more."),
    },
)


@click.command(cls=ZooCommand)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(as_json: bool) -> None:
    """List the files of the cache: the weights that they are, size, digest and state."""
    from zoo.cli.tables import print_rows
    from zoo.weights import cache_folder, find_cached

    names = _names()
    rows = [
        {
            "name": names.get(found.sha256, []),
            "file": found.name,
            "state": "interrupted" if found.is_part else "whole",
            "size": f"{found.size_bytes / 1e6:,.1f} MB",
            "size_bytes": found.size_bytes,
            "sha256": found.sha256,
            "path": str(found.path),
        }
        for found in find_cached()
    ]
    columns = ["name", "file", "state", "size", "sha256"]
    print_rows(rows, columns, as_json=as_json, empty=f"nothing is cached in {cache_folder()}")


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def rm(names: tuple[str, ...]) -> None:
    """Remove the weights NAME from the cache: a name, a file's name, or 8 digits of its sha256."""
    from zoo.weights import find_cached, remove_cached

    files, known = find_cached(), _names()
    chosen = {found.path: found for name in names for found in _choose(name, files, known)}
    for found in chosen.values():
        remove_cached(found)
        click.echo(f"removed {found.path}")


@click.command(cls=ZooCommand)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def prune(dry_run: bool) -> None:
    """Remove interrupted downloads, and weights that neither a plugin nor zoo.lock names."""
    from zoo.errors import DownloadError
    from zoo.weights import find_cached, remove_cached

    names, freed_bytes = _names(), 0
    for found in find_cached():
        if found.is_part or found.sha256 not in names:
            try:
                if not dry_run:
                    remove_cached(found)
            except DownloadError as error:  # it is being fetched
                click.echo(error.message, err=True)
                continue
            click.echo(f"{'would remove' if dry_run else 'removed'} {found.path}")
            freed_bytes += found.size_bytes
    click.echo(f"{freed_bytes / 1e6:,.1f} MB {'would be ' if dry_run else ''}freed", err=True)


def _names() -> dict[str, list[str]]:
    """Return digest -> the names of the weights that have it, adopted old ones too."""
    from zoo.catalog import read_catalog
    from zoo.rows import WeightsRow
    from zoo.weights.lock import read_pins

    names: dict[str, list[str]] = {}
    for found in read_catalog().rows("weights"):
        if isinstance(found.row, WeightsRow):
            names.setdefault(found.row.sha256, []).append(found.row.name)
    for pin in read_pins().values():
        names.setdefault(pin.sha256, []).append(pin.name)
    return names


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
