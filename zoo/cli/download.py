# SPDX-License-Identifier: Apache-2.0
"""``zoo download``: download weights by name, and verify them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from zoo.cli.options.completion import complete_weights
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json, say_text

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.engine.adoption.obtaining import Obtained
    from zoo.manifest.rows import LivingRow
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
@click.option(
    "--pin",
    is_flag=True,
    help="Accept a file whose full sha256 is not known; show what it is, and pin it in zoo.lock.",
)
@click.option(
    "--accept-licence",
    "accepts",
    is_flag=True,
    help="Accept a licence that forbids commercial use or is not known; zoo.lock remembers it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, without doing it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    names: tuple[str, ...],
    dest: Path | None,
    mirrors: tuple[str, ...],
    offline: bool,
    pin: bool,
    accepts: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Download the weights NAME (`zoo list`), and print where each file is.

    A file is verified by size and sha256 before it gets its final name. Interrupted downloads are
    resumed. Addresses are tried in order: --mirror, the mirrors of ZOO_MIRRORS (separated by
    commas), then the author's own. Weights of another library are converted once, and pinned in
    zoo.lock. If one name fails or is unknown, the others are still downloaded, and the command
    exits 1.
    """
    wanted = tuple(dict.fromkeys(names))
    done: list[dict[str, Any]] = []
    try:
        for name in wanted:
            done.append({"name": name, "error": None})
            _serve(
                done[-1],
                len(wanted),
                _Asked(dest, mirrors, offline, pin, accepts),
                dry_run,
                as_json,
            )
    finally:  # list what was downloaded before an error, too
        if as_json:
            say_json(done)
    failed = [each for each in done if each["error"] is not None]
    if failed:
        verb = "foresee the download of" if dry_run else "download"
        say(f"error: cannot {verb} {len(failed)} of {len(wanted)}.", err=True)
        click.get_current_context().exit(1)


class _Asked(NamedTuple):
    """Where files are asked for, where they go, and what the user allows."""

    dest: Path | None
    mirrors: tuple[str, ...]
    offline: bool
    pin: bool
    accepts: bool


def _serve(entry: dict[str, Any], count: int, asked: _Asked, dry_run: bool, as_json: bool) -> None:
    """Fetch one file and print its path; of several, one that fails does not stop the rest."""
    from zoo.errors import ZooError
    from zoo.manifest.rows import LivingRow
    from zoo.weights import find_weights, plan_download

    name = entry["name"]
    try:
        found = find_weights(name)
        entry |= {"plugin": found.record.name, **_digest(found)}
        if not dry_run:
            obtained = _obtain(name, asked)
            entry |= {**_digest(obtained.found), "path": str(obtained.path)}
            entry |= _pinned(obtained)
            lines = [entry["path"]]
        elif isinstance(found.row, LivingRow):
            lines = _foresee_adoption(found, found.row, asked, entry)
        else:
            plan = plan_download(found, **_options(asked))
            entry |= _foreseen(plan, asked.dest)
            lines = list(_announced(found.row.name, plan, entry))
        if not as_json:
            say(*lines)
    except ZooError as error:
        entry["error"] = str(error)
        if count == 1:
            raise
        say_text(f"{name}: {error}", err=True)


def _digest(found: Found) -> dict[str, Any]:
    from zoo.manifest.rows import LivingRow, WeightsRow

    row = found.row
    if isinstance(row, LivingRow):
        return {"sha256": None, "source_sha256": row.sha256, "size_bytes": row.size_bytes}
    whole = row if isinstance(row, WeightsRow) else None
    return {} if whole is None else {"sha256": whole.sha256, "size_bytes": whole.size_bytes}


def _pinned(obtained: Obtained) -> dict[str, Any]:
    """Return what the lock keeps of adopted weights, and the terms of all."""
    from zoo.weights.lock import find_pin

    row = obtained.row
    terms: dict[str, Any] = {"licence": row.licence, "data_licence": row.data_licence}
    terms["non_commercial"] = row.non_commercial
    pin = find_pin(row.name, obtained.found.record.name)
    if pin is None:
        return terms
    kept = ("source_sha256", "source_size_bytes", "converter", "converter_version", "address")
    return {**terms, **{key: getattr(pin, key) for key in kept}, "judge": pin.judge}


def _options(asked: _Asked) -> dict[str, Any]:
    return {"mirrors": asked.mirrors, "offline": asked.offline, "dest": asked.dest}


def _obtain(name: str, asked: _Asked) -> Obtained:
    from zoo.cli.output.progress import byte_progress
    from zoo.engine.adoption.adopting import Way
    from zoo.engine.adoption.obtaining import obtain_weights

    try:
        with byte_progress(name) as progress:
            way = Way(
                asked.mirrors,
                offline=asked.offline,
                progress=progress,
                pins=asked.pin,
                accepts_licence=asked.accepts,
                tell=partial(say, err=True),
            )
            return obtain_weights(name, way, dest=asked.dest)
    except KeyboardInterrupt:
        hint = "interrupted; the bytes received are kept, the same command resumes the download"
        raise KeyboardInterrupt(hint) from None


def _foresee_adoption(
    found: Found, row: LivingRow, asked: _Asked, entry: dict[str, Any]
) -> list[str]:
    """Return the lines that say what an adoption would do, and add the same to the entry."""
    from zoo.weights.fetching.addresses import shown_address
    from zoo.weights.source_files import source_addresses

    folder = found.record.checked().folder
    addresses = source_addresses(
        row, row.digest, asked.mirrors, offline=asked.offline, folder=folder
    )
    asks = [shown_address(address) for address in addresses]
    problem = None if asks else _NO_ADDRESS
    if not row.digest.is_full and not asked.pin:
        problem = "needs --pin once: its row states no full digest"
    entry |= {"here": None, "problem": problem, "asks": asks, "digest": row.digest.kind}
    size = "unknown size" if row.size_bytes is None else f"{row.size_bytes / 1e6:,.1f} MB"
    lines = [f"{row.name}: {size}, {row.digest.kind} {row.digest.value or 'of the address'}"]
    if problem is not None:
        return [*lines, f"  {problem}"]
    lines += [f"  would try: {address}" for address in asks]
    by = f" with {row.converter}" if row.converter else ""
    return [*lines, f"  would convert{by} and pin it in zoo.lock"]


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
