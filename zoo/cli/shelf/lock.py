# SPDX-License-Identifier: Apache-2.0
"""``zoo lock``: write the digests of plugins, configs and weights into one file for a team."""

from __future__ import annotations

import click

from zoo.cli.options.completion import complete_model
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.cli.output.tables import print_rows

__all__ = ["command"]


@click.command("lock", cls=ZooCommand)
@click.argument("names", metavar="[NAME|CONFIG]...", nargs=-1, shell_complete=complete_model)
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="As in `zoo download`.")
@click.option("--offline", is_flag=True, help="Open no socket.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(names: tuple[str, ...], mirrors: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """Write weights, configs and plugins of these names into zoo.lock, by their digests.

    What they need is written too: weights need their config and plugins, a config the plugins of
    its types. Without a name, every row of the file is updated to what is here; an empty file gets
    all plugins, and all weights that are here. `zoo sync` brings another machine to the file.
    """
    from zoo.cli.output.progress import byte_progress
    from zoo.engine.adoption.adopting import Way
    from zoo.engine.locking.locking import lock
    from zoo.weights.lock import lock_file

    with byte_progress("lock") as progress:
        changes = lock(names, Way(mirrors, offline, progress))
    rows = [{"kind": each.kind, "name": each.name, "change": each.change} for each in changes]
    if as_json:
        say_json({"file": str(lock_file()), "rows": rows})
        return
    print_rows(rows, ["kind", "name", "change"], as_json=False, empty="there is nothing to lock")
    say(f"the lock is {lock_file()}", err=True)
