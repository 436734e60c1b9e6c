# SPDX-License-Identifier: Apache-2.0
"""``zoo search``: weights of plugins and of all sources, by what their rows say."""

from __future__ import annotations

from typing import Any

import click

from zoo.cli.options.filter_options import filter_options, filters_of
from zoo.cli.output.collecting import without_collecting
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.shelf.source_rows import source_entries

__all__ = ["command"]


@click.command("search", cls=ZooCommand)
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@filter_options
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@without_collecting()
def command(texts: tuple[str, ...], wide: bool, as_json: bool, **given: Any) -> None:
    """Search the weights of all plugins and sources.

    TEXT must be in the name, task, plugin, data sets, classes, metrics or licences of the weights.
    Rows of an unsigned or expired source are marked by their state. Nothing is fetched:
    `zoo source update` does that. OpenMMLab's old checkpoints are searched by `zoo list TEXT`.
    """
    from zoo.catalog import read_catalog
    from zoo.cli.options.weights_entries import weights_entries

    entries = weights_entries(read_catalog(keep_readings=True))
    others, problems = _of_sources()
    rows = filters_of(texts, given).choose([*entries, *others])
    columns = ["name", "plugin", "task", "size", "file", "metrics", "licence", "data_licence"]
    if any(row["state"] != "ok" for row in rows):
        columns.insert(1, "state")
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no such weights")
    for problem in problems:
        say_text(f"\n{problem}", err=True)


def _of_sources() -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of all sources, and why some cannot be read."""
    from zoo.errors import SourceError, UnknownNameError
    from zoo.weights.sources.book import read_book

    found: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        names = list(read_book())
    except SourceError as error:
        return [], [str(error)]
    for name in names:
        try:
            found += source_entries([name])
        except (SourceError, UnknownNameError) as error:  # removed meanwhile, or damaged
            problems.append(str(error))
    return found, problems
