# SPDX-License-Identifier: Apache-2.0
"""``zoo download``: weights by name onto this disk, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options.completion import complete_weights
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_text

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.weights import Plan

__all__ = ["command"]


@click.command("download", cls=ZooCommand)
@click.argument(
    "names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_weights
)
@click.option(
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the files, instead of the cache.",
)
@click.option(
    "--mirror",
    "mirrors",
    metavar="URL",
    multiple=True,
    help="Ask there first: https, http, file, or a folder. May be given again.",
)
@click.option("--offline", is_flag=True, help="Open no socket; folders as mirrors still serve.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(
    names: tuple[str, ...],
    dest: Path | None,
    mirrors: tuple[str, ...],
    offline: bool,
    dry_run: bool,
) -> None:
    """Fetch the weights NAME (`zoo list`), and print where each file lies.

    A file is verified by size and sha256 before it gets its name. What was interrupted is gone
    on with. Addresses are asked in order: --mirror, the mirrors of ZOO_MIRRORS (separated by
    commas), then the author's own. Where one name fails, or is unknown, the others are still
    fetched, and the command exits 1.
    """
    wanted = tuple(dict.fromkeys(names))
    failed = [name for name in wanted if not _serve(name, wanted, dest, mirrors, offline, dry_run)]
    if failed:
        verb = "foresee the download of" if dry_run else "download"
        say(f"error: cannot {verb} {len(failed)} of {len(wanted)}.", err=True)
        click.get_current_context().exit(1)


def _serve(
    name: str,
    wanted: tuple[str, ...],
    dest: Path | None,
    mirrors: tuple[str, ...],
    offline: bool,
    dry_run: bool,
) -> bool:
    """Fetch one file and print its path; of several, one that fails does not stop the rest."""
    from zoo.errors import ZooError
    from zoo.weights import find_weights

    try:
        found = find_weights(name)
        if dry_run:
            _announce(found, dest, mirrors, offline)
        else:
            _fetch(found, dest, mirrors, offline)
    except ZooError as error:
        if len(wanted) == 1:
            raise
        say_text(f"{name}: {error}", err=True)
        return False
    return True


def _fetch(found: Found, dest: Path | None, mirrors: tuple[str, ...], offline: bool) -> None:
    from zoo.cli.output.byte_progress import byte_progress
    from zoo.weights import fetch_weights

    try:
        with byte_progress(found.row.name) as progress:
            path = fetch_weights(
                found, mirrors=mirrors, offline=offline, dest=dest, progress=progress
            )
    except KeyboardInterrupt:
        hint = "interrupted; what was received is kept, the same command goes on with it"
        raise KeyboardInterrupt(hint) from None
    say(path)


def _announce(found: Found, dest: Path | None, mirrors: tuple[str, ...], offline: bool) -> None:
    from zoo.errors import DownloadError
    from zoo.weights import check_file, plan_download

    plan = plan_download(found, mirrors=mirrors, offline=offline, dest=dest)
    say(f"{found.row.name}: {plan.size_bytes / 1e6:,.1f} MB, sha256 {plan.sha256}")
    if plan.damaged is not None:
        say(f"  is damaged: {plan.damaged.where}")
    if dest is None and plan.here is not None:
        say(f"  is here: {plan.here}")
    elif dest is not None and plan.target.exists():
        try:
            check_file(plan.target, plan.sha256, plan.size_bytes)
            say(f"  is here: {plan.target}")
        except DownloadError as error:
            say(f"  would fail: {error.message}")
    else:
        _announce_writing(plan)


def _announce_writing(plan: Plan) -> None:
    from zoo.weights.download import foresee_asked
    from zoo.weights.fetching.addresses import shown_address

    asked, taken = foresee_asked(plan)
    if not asked and taken is None:
        say("  has no address to ask")
        return
    say(f"  would write: {plan.target}")
    if plan.kept_bytes:
        say(f"  of which {plan.kept_bytes / 1e6:,.1f} MB are kept from an earlier run")
    for address in asked:
        say(f"  would ask: {shown_address(address)}")
    if taken is not None:
        say(f"  would {'else ' if asked else ''}copy: {taken}")
