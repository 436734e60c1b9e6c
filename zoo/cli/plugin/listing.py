# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin list``: the plugins found; broken ones are marked with the reason."""

from __future__ import annotations

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.offered import command_conflicts
from zoo.texts import counted, printable

__all__ = ["command"]


@click.command("list", cls=ZooCommand)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(wide: bool, as_json: bool) -> None:
    """List the plugins found; one that cannot be used is marked, with the reason.

    One whose command has a name that is taken is marked too; `zoo PLUGIN.NAME` runs that command.
    """
    from zoo.catalog import read_catalog

    catalog, conflicts = read_catalog(), command_conflicts()
    rows: list[dict[str, object]] = []
    for record in catalog.plugins:
        manifest = record.manifest
        found = () if manifest is None else manifest.rows
        errors = [record.error] if record.error else conflicts.get(record.name, [])
        rows.append(
            {
                "name": record.name,
                "version": record.version,
                "state": "broken" if record.error else "conflict" if errors else "ok",
                "provides": _counts([row.kind for row in found]),
                "found_in": record.source,
                "summary": None if manifest is None else manifest.summary,
                "manifest": None if record.path is None else str(record.path),
                "error": "\n".join(map(str, errors)) or None,
            }
        )
    columns = ["name", "version", "state", "summary", "provides", "found_in"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no plugins found")
    if not as_json:
        for row in rows:
            if row["error"]:
                say_text(f"\n{printable(str(row['name']))}: {row['error']}", err=True)


def _counts(kinds: list[str]) -> str:
    return ", ".join(counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds))
