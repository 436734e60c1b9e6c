# SPDX-License-Identifier: Apache-2.0
"""``zoo download``: download weights by name, and verify them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zoo.cli.options.completion import complete_weights
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json, say_text

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.weights import Plan

__all__ = ["command"]

_NO_ADDRESS = "has no address to try"


@click.command("download", cls=ZooCommand)
@click.argument(
    "names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_weights
)
@click.option(
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files, instead of the cache.",
)
@click.option(
    "--mirror",
    "mirrors",
    metavar="URL",
    multiple=True,
    help="Try this place first: an address (https, http, file, hf, github) or a folder; "
    "repeatable.",
)
@click.option(
    "--offline", is_flag=True, help="Open no socket; mirrors that are folders still work."
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    names: tuple[str, ...],
    dest: Path | None,
    mirrors: tuple[str, ...],
    offline: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Download the weights NAME (`zoo list`), and print where each file is.

    A file is verified by size and sha256 before it gets its final name. Interrupted downloads are
    resumed. Addresses are tried in order: --mirror, the mirrors of ZOO_MIRRORS (separated by
    commas), then the author's own. If one name fails or is unknown, the others are still
    downloaded, and the command exits 1.
    """
    wanted = tuple(dict.fromkeys(names))
    done: list[dict[str, Any]] = []
    try:
        for name in wanted:
            done.append({"name": name, "error": None})
            _serve(done[-1], len(wanted), _Way(dest, mirrors, offline), dry_run, as_json)
    finally:  # list what was downloaded before an error, too
        if as_json:
            say_json(done)
    failed = [each for each in done if each["error"] is not None]
    if failed:
        verb = "foresee the download of" if dry_run else "download"
        say(f"error: cannot {verb} {len(failed)} of {len(wanted)}.", err=True)
        click.get_current_context().exit(1)


class _Way(NamedTuple):
    """Where files are asked for, and where they go."""

    dest: Path | None
    mirrors: tuple[str, ...]
    offline: bool


def _serve(entry: dict[str, Any], count: int, way: _Way, dry_run: bool, as_json: bool) -> None:
    """Fetch one file and print its path; of several, one that fails does not stop the rest."""
    from zoo.errors import ZooError
    from zoo.weights import find_weights, plan_download
    from zoo.weights.files import weights_row

    name = entry["name"]
    try:
        found = find_weights(name)
        row = weights_row(found)
        entry |= {"plugin": found.record.name, "sha256": row.sha256, "size_bytes": row.size_bytes}
        if dry_run:
            plan = plan_download(found, **_options(way))
            entry |= _foreseen(plan, way.dest)
            if not as_json:
                say(*_announced(row.name, plan, entry))
        else:
            entry["path"] = str(_fetch(found, way))
            if not as_json:
                say(entry["path"])
    except ZooError as error:
        entry["error"] = str(error)
        if count == 1:
            raise
        say_text(f"{name}: {error}", err=True)


def _options(way: _Way) -> dict[str, Any]:
    return {"mirrors": way.mirrors, "offline": way.offline, "dest": way.dest}


def _fetch(found: Found, way: _Way) -> Path:
    from zoo.cli.output.progress import byte_progress
    from zoo.weights import fetch_weights

    try:
        with byte_progress(found.row.name) as progress:
            return fetch_weights(found, progress=progress, **_options(way))
    except KeyboardInterrupt:
        hint = "interrupted; the bytes received are kept, the same command resumes the download"
        raise KeyboardInterrupt(hint) from None


def _foreseen(plan: Plan, dest: Path | None) -> dict[str, Any]:
    """Return what a download would do.

    ``here`` is the right file; ``problem`` is why the download would fail; else ``writes`` is
    where the file would go, ``asks`` and ``copies`` are where it would come from.
    """
    from zoo.errors import DownloadError
    from zoo.weights import check_file
    from zoo.weights.download import foresee_asked
    from zoo.weights.fetching.addresses import shown_address

    foreseen: dict[str, Any] = {"here": None, "problem": None, "writes": None, "kept_bytes": 0}
    foreseen |= {"asks": [], "copies": None}
    if dest is None and plan.here is not None:
        return {**foreseen, "here": str(plan.here)}
    if dest is not None and plan.target.exists():
        try:
            check_file(plan.target, plan.sha256, plan.size_bytes)
        except DownloadError as error:
            return {**foreseen, "problem": error.message}
        return {**foreseen, "here": str(plan.target)}
    asked, taken = foresee_asked(plan)
    if not asked and taken is None:
        return {**foreseen, "problem": _NO_ADDRESS}
    foreseen |= {"writes": str(plan.target), "kept_bytes": plan.kept_bytes}
    foreseen["asks"] = [shown_address(address) for address in asked]
    return {**foreseen, "copies": None if taken is None else str(taken)}


def _announced(name: str, plan: Plan, foreseen: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that say what a download would do."""
    yield f"{name}: {plan.size_bytes / 1e6:,.1f} MB, sha256 {plan.sha256}"
    if plan.damaged is not None:
        yield f"  is damaged: {plan.damaged.where}"
    if foreseen["here"] is not None:
        yield f"  is here: {foreseen['here']}"
    elif foreseen["problem"] == _NO_ADDRESS:
        yield f"  {_NO_ADDRESS}"
    elif foreseen["problem"] is not None:
        yield f"  would fail: {foreseen['problem']}"
    else:
        yield f"  would write: {foreseen['writes']}"
        if plan.kept_bytes:
            yield f"  of which {plan.kept_bytes / 1e6:,.1f} MB are kept from an earlier run"
        yield from (f"  would try: {address}" for address in foreseen["asks"])
        if foreseen["copies"] is not None:
            yield f"  would {'else ' if foreseen['asks'] else ''}copy: {foreseen['copies']}"
