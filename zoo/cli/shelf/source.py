# SPDX-License-Identifier: Apache-2.0
"""``zoo source``: add, list, update and remove the indexes of third parties' weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_file, complete_source
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.groups import LazyGroup
from zoo.cli.output.printing import say, say_json, say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.plugged_group import PluggedGroup

if TYPE_CHECKING:
    from zoo.weights.sources.book import Source
    from zoo.weights.sources.updating import Update

__all__ = ["add", "group", "key", "list_sources", "new_key", "remove", "update"]

_HERE = "zoo.cli.shelf.source"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

group = PluggedGroup(
    "source",
    group_name="source",
    help="Add and update indexes of weights that third parties publish.",
    lazy={
        "add": (f"{_HERE}:add", "Add the index of a third party's weights."),
        "list": (f"{_HERE}:list_sources", "List the sources that were added."),
        "update": (f"{_HERE}:update", "Fetch the newest index of one source, or of all."),
        "remove": (f"{_HERE}:remove", "Forget a source; downloaded files stay."),
        "key": (f"{_HERE}:key", "Make keys that sign indexes."),
    },
)
key = LazyGroup(
    "key",
    help="Make keys that sign indexes.",
    lazy={"new": (f"{_HERE}:new_key", "Write a new key, and the public one to give to users.")},
)


@click.command(cls=ZooCommand)
@click.argument("location", metavar="URL|FILE|hf://REPO", shell_complete=complete_file)
@click.option(
    "--key",
    "key_",
    metavar="FILE|FINGERPRINT",
    help="Public key that must have signed the index; without it, the key that did is trusted.",
)
@click.option("--as", "name", metavar="NAME", help="Call the source NAME, not as its index does.")
@click.option(
    "--unsigned",
    is_flag=True,
    help="Accept an index without a signature, or one that has expired; its rows are marked.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Accept addresses of a private network in the index, as in an intranet.",
)
@_JSON
def add(
    location: str,
    key_: str | None,
    name: str | None,
    unsigned: bool,
    allow_private: bool,
    as_json: bool,
) -> None:
    """Add the index at URL, FILE, or in the hub's repository REPO.

    Its weights are then called SOURCE/NAME. An index is only data: no code in it runs. It is
    kept, and can be used offline.
    """
    from zoo.catalog import read_catalog
    from zoo.weights.sources.updating import add_source

    plugins = {record.name for record in read_catalog().plugins}
    source = add_source(
        location,
        key=key_,
        name=name,
        tolerates=unsigned,
        allows_private=allow_private,
        taken=plugins,
    )
    if source.key is not None and key_ is None:
        _tell_trust(source)
    _tell_marks(source)
    if as_json:
        say_json(_facts(source))
    else:
        say(f"added {source.name}: {_counted(source)}; zoo list --source {source.name}")


def _tell_trust(source: Source) -> None:
    where = f" at {source.homepage}" if source.homepage else ""
    say(
        f"trusting the key {source.key} from now on, because it signed this index.",
        f"Compare it with the key that the publisher states{where}; "
        "--key checks it before anything is kept.",
        err=True,
    )


def _tell_marks(source: Source) -> None:
    if source.marks:
        say(f"warning: the index is {' and '.join(source.marks)}; its rows are marked", err=True)


def _counted(source: Source) -> str:
    return f"{source.rows:,} {'row' if source.rows == 1 else 'rows'}"


def _facts(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "address": source.address,
        "rows": source.rows,
        "sequence": source.sequence,
        "created": source.created,
        "expires": source.expires,
        "checked": source.checked,
        "state": ", ".join(source.marks) or "ok",
        "key": source.key,
        "licence": source.licence,
        "homepage": source.homepage,
        "digest": source.digest,
        "allow_private": source.allows_private,
    }


@click.command("list", cls=ZooCommand)
@wide_option
@_JSON
def list_sources(wide: bool, as_json: bool) -> None:
    """List the sources that were added, with the state of their indexes.

    STATE is `ok`, `unsigned` or `expired`; the rows of the latter two are marked.
    """
    from zoo.weights.sources.book import read_book

    rows = [_facts(source) for source in read_book().values()]
    columns = ["name", "rows", "state", "sequence", "expires", "checked", "address", "key"]
    empty = "no sources; zoo source add URL adds one"
    print_rows(rows, columns, as_json=as_json, wide=wide, empty=empty)


@click.command(cls=ZooCommand)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_source)
@_JSON
def update(name: str | None, as_json: bool) -> None:
    """Fetch the newest index of the source NAME, or of all sources.

    An index is refused if it is signed by another key than before, if its number has fallen, or if
    it has expired; the one that was kept stays in use. If one of several sources fails, the others
    are updated, and the command exits 1.
    """
    from zoo.errors import ZooError
    from zoo.weights.sources.book import read_book
    from zoo.weights.sources.updating import update_source

    names = list(read_book()) if name is None else [name]
    done: list[dict[str, Any]] = []
    failed = 0
    for each in names:
        try:
            result = update_source(each)
        except ZooError as error:
            if name is not None:
                raise
            failed += 1
            done.append({"name": each, "error": str(error)})
            say_text(f"{each}: {error}", err=True)
            continue
        done.append({**_facts(result.source), "is_changed": result.is_changed, "error": None})
        if not as_json:
            say(_told(result))
        _tell_marks(result.source)
    if as_json:
        say_json(done)
    elif not names:
        say("no sources; zoo source add URL adds one", err=True)
    if failed:
        say(f"error: cannot update {failed} of {len(names)} sources.", err=True)
        click.get_current_context().exit(1)


def _told(result: Update) -> str:
    source, before = result.source, result.before
    if not result.is_changed:
        return f"{source.name}: not changed, {_counted(source)}"
    signed = f", now signed by {source.key}" if before.key is None and source.key else ""
    numbers = f"index {before.sequence} -> {source.sequence}"
    return f"{source.name}: {numbers}, {before.rows:,} -> {_counted(source)}{signed}"


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_source)
def remove(name: str) -> None:
    """Forget the source NAME, its key and its rows; downloaded files stay in the cache."""
    from zoo.weights.sources.updating import remove_source

    source = remove_source(name)
    say(f"removed {source.name}: {_counted(source)}")


@click.command("new", cls=ZooCommand)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file for the private key; the public one goes beside it, with .pub.",
)
@_JSON
def new_key(out: Path, as_json: bool) -> None:
    """Write a new ed25519 key that signs indexes, readable by you alone, and its public key.

    Keep the private key secret, and give the fingerprint to your users on another way than the
    index itself.
    """
    from zoo.weights.sources.signing import make_key

    public = make_key(out)
    if as_json:
        say_json({"key": str(out), "public": f"{out}.pub", "fingerprint": public.fingerprint})
        return
    say(public.fingerprint)
    say(f"wrote {out}, which signs, and {out}.pub, to give to users", err=True)
