# SPDX-License-Identifier: Apache-2.0
"""``zoo list``: the available weights, one per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_source
from zoo.cli.options.filter_options import filter_options, filters_of
from zoo.cli.output.collecting import without_collecting
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.shelf.source_rows import say_sources, source_entries

if TYPE_CHECKING:
    from zoo.catalog import Catalog
    from zoo.weights.lock import Pin

__all__ = ["command"]


@click.command("list", cls=ZooCommand)
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@filter_options
@click.option("--legacy", is_flag=True, help="Include OpenMMLab's old checkpoints.")
@click.option(
    "--source",
    metavar="S",
    shell_complete=complete_source,
    help="Show the weights of this source instead of the plugins'.",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@without_collecting()
def command(
    texts: tuple[str, ...],
    legacy: bool,
    source: str | None,
    wide: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """List the available weights: task, size, file, metrics and licences.

    FILE says whether the file is on this machine: `shipped` with its plugin, `cached`, `adopted`
    (converted and pinned), or `to fetch`. The full sha256 of weights `to pin` is not known: run
    `zoo download NAME --pin` once.

    Parts of networks are listed with --task backbone, or with TEXT.

    With TEXT, list those that contain it in their name, task, plugin, model, data sets, classes,
    metrics or licences, including OpenMMLab's old checkpoints. Their state is `legacy` until
    `zoo rescue` has adopted a copy.
    """
    from zoo.catalog import read_catalog

    catalog = read_catalog(keep_readings=True)
    if given["plugin"] is not None:
        catalog.plugin(given["plugin"])
    filters = filters_of(texts, given)
    with_legacy = source is None and (legacy or bool(texts))
    entries, problems = _entries(catalog, source, with_legacy=with_legacy)
    rows = filters.choose(entries)
    hidden = (
        0
        if source or given["task"] or texts or as_json
        else sum(row["task"] == "backbone" for row in rows)
    )
    rows = [row for row in rows if not hidden or row["task"] != "backbone"]
    columns = ["name", "plugin", "task", "size", "file", "metrics", "licence", "data_licence"]
    if any(row["state"] != "ok" for row in rows):
        columns.insert(1, "state")
    more = "" if with_legacy else "; --legacy lists OpenMMLab's old ones too"
    print_rows(rows, columns, as_json=as_json, wide=wide, empty=f"no such weights{more}")
    if not as_json:
        problems += [f"{row['name']}: {row['error']}" for row in rows if row["error"]]
    if hidden:
        say_text(f"({hidden} backbones: zoo list --task backbone)", err=True)
    if source is None and not as_json:
        say_sources()
    for problem in problems:
        say_text(f"\n{problem}", err=True)


def _entries(
    catalog: Catalog, source: str | None, *, with_legacy: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the manifests, then those of the legacy indexes, and what is broken."""
    if source is not None:
        return list(source_entries([source])), []
    from zoo.cli.options.weights_entries import legacy_entry, weights_entries
    from zoo.manifest.legacy_rows import LegacyRow

    entries = weights_entries(catalog)
    if not with_legacy:
        return entries, []
    from zoo.errors import DownloadError
    from zoo.weights.legacy import legacy_rows
    from zoo.weights.lock import pin_of, read_pins
    from zoo.weights.replacing import living_addresses

    old, errors = legacy_rows(catalog)
    problems = [str(error) for error in errors]
    pins: dict[str, Pin] = {}
    try:
        pins = read_pins()
    except DownloadError as error:  # the listing continues without it
        problems.append(str(error))
    living = living_addresses(catalog)
    shown = {(entry["plugin"], entry["name"]) for entry in entries}
    entries += [
        legacy_entry(found, found.row, pin_of(pins, found.row.name, found.record.name), living)
        for found in old
        if isinstance(found.row, LegacyRow) and (found.record.name, found.row.name) not in shown
    ]
    return entries, problems
