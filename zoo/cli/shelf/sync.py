# SPDX-License-Identifier: Apache-2.0
"""``zoo sync``: bring this machine to what a team's ``zoo.lock`` states."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.cli.output.tables import print_rows, wide_option

if TYPE_CHECKING:
    from zoo.engine.locking.syncing import State

__all__ = ["command"]


@click.command("sync", cls=ZooCommand)
@click.option(
    "--frozen",
    is_flag=True,
    help="Change nothing in zoo.lock; exit 1 if it lacks something. ZOO_FROZEN=1 does the same.",
)
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="As in `zoo download`.")
@click.option("--offline", is_flag=True, help="Open no socket.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    frozen: bool, mirrors: tuple[str, ...], offline: bool, wide: bool, as_json: bool
) -> None:
    """Bring this machine to zoo.lock: fetch and convert what is missing, and verify everything.

    For each row that differs, what fixes it is shown; then the exit code is 1. Plugins
    and configs are compared, not installed. What the rows need and the file lacks is added to it,
    unless --frozen.
    """
    from zoo.cli.output.progress import byte_progress
    from zoo.engine.adoption.adopting import Way
    from zoo.engine.locking.syncing import sync
    from zoo.weights.lock_file.document import is_frozen

    frozen = frozen or is_frozen()
    if frozen:
        os.environ["ZOO_FROZEN"] = "1"  # so that nothing on the way pins anything
    with byte_progress("sync") as progress:
        states = sync(Way(mirrors, offline, progress), frozen=frozen)
    rows = [{**asdict(each), "holds": each.holds} for each in states]
    if as_json:
        say_json(rows)
    else:
        columns = ["kind", "name", "state", "found"]
        print_rows(rows, columns, as_json=False, wide=wide, empty="zoo.lock has no rows")
    wrong = [each for each in states if not each.holds]
    for each in wrong:
        say(f"{each.kind} {each.name}: {each.found}", f"  fix: {_told(each)}", err=True)
    if wrong:
        say(f"error: {len(wrong)} of {len(states)} rows differ from zoo.lock.", err=True)
        click.get_current_context().exit(1)


def _told(state: State) -> str:
    """Return what to do; `zoo lock` keeps a change, which is not always what a team wants."""
    accepts = state.state == "differs" and str(state.fix).startswith("zoo lock ")
    return f"undo the change, or accept it for everyone: {state.fix}" if accepts else str(state.fix)
