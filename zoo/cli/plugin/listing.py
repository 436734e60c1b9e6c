# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin list``: the plugins found; broken ones are marked with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.offered import command_conflicts
from zoo.cli.plugin.unchanged import keep_stamps, known_stamps, stamp_of
from zoo.errors import PluginError
from zoo.texts import counted, printable

if TYPE_CHECKING:
    from zoo.catalog import PluginRecord

__all__ = ["command"]


@click.command("list", cls=ZooCommand)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(wide: bool, as_json: bool) -> None:
    """List the plugins found; one that cannot be used is marked, with the reason.

    Its code is read and not imported: `broken` is one with code that is not Python, a target or a
    file that is not there; `missing`, one that requires a package that is not installed. One whose
    command has a name that is taken is in `conflict`; `zoo PLUGIN.NAME` runs that command.
    """
    from zoo.catalog import read_catalog

    catalog, conflicts = read_catalog(keep_readings=True), command_conflicts()
    known = known_stamps()
    stamps = dict(known)
    rows: list[dict[str, object]] = []
    for record in catalog.plugins:
        manifest = record.manifest
        found = () if manifest is None else manifest.rows
        state, errors = _state(record, conflicts.get(record.name, ()), stamps)
        rows.append(
            {
                "name": record.name,
                "version": record.version,
                "state": state,
                "provides": _counts([row.kind for row in found]),
                "found_in": record.source,
                "summary": None if manifest is None else manifest.summary,
                "manifest": None if record.path is None else str(record.path),
                "error": "\n".join(errors) or None,
            }
        )
    if stamps != known:
        keep_stamps(stamps)
    columns = ["name", "version", "state", "summary", "provides", "found_in"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no plugins found")
    if not as_json:
        for row in rows:
            if row["error"]:
                say_text(f"\n{printable(str(row['name']))}: {row['error']}", err=True)


def _state(
    record: PluginRecord, conflicts: Sequence[PluginError], stamps: dict[str, str]
) -> tuple[str, list[str]]:
    """Return the state of a plugin, and why it is not ok."""
    if record.error is not None:
        return "broken", [str(record.error)]
    try:
        state, lines = _faults(record, stamps)
    except PluginError as error:  # such as a requirement that is none
        return "broken", [str(error)]
    lines += map(str, conflicts)
    return "conflict" if state == "ok" and conflicts else state, lines


def _faults(record: PluginRecord, stamps: dict[str, str]) -> tuple[str, list[str]]:
    """Return the state of a plugin and why; one without a fault is read again once it changed."""
    package = str(record.checked().folder)
    stamp = stamp_of(record.checked().folder)
    if stamp is not None and stamps.get(package) == stamp:
        return "ok", []
    from zoo.cli.diagnosis.plugin_faults import static_faults

    stamps.pop(package, None)
    state, lines = static_faults(record)
    if stamp is not None and not lines:
        stamps[package] = stamp
    return state, lines


def _counts(kinds: list[str]) -> str:
    return ", ".join(counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds))
