# SPDX-License-Identifier: Apache-2.0
"""``zoo list``: the available weights, one per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_plugin
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.manifest.rows import LISTED_TASKS

if TYPE_CHECKING:
    from zoo.catalog import Catalog
    from zoo.cli.options.metric_filter import MetricFilter
    from zoo.weights.lock import Pin

__all__ = ["command"]


def _metric(_: click.Context, __: click.Parameter, value: str | None) -> MetricFilter | None:
    from zoo.cli.options.metric_filter import parse_metric

    if value is None:
        return None
    found = parse_metric(value)
    if found is None:
        message = f"expected NAME, NAME>=VALUE or NAME<=VALUE, got {value!r}"
        raise click.BadParameter(message)
    return found


def _amount(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from zoo.cli.options.weights_filters import parse_amount

    if value is None:
        return None
    found = parse_amount(value)
    if found is None:
        message = f"expected a number with a unit, as 200MB or 30M, got {value!r}"
        raise click.BadParameter(message)
    return found


@click.command("list", cls=ZooCommand)
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option("--task", type=click.Choice(LISTED_TASKS), help="Show only this task.")
@click.option(
    "--plugin",
    metavar="P",
    shell_complete=complete_plugin,
    help="Show only the weights of this plugin.",
)
@click.option(
    "--dataset",
    metavar="D",
    help="Show only weights measured on this data set, by part of its name.",
)
@click.option("--arch", metavar="A", help="Show only this architecture, by part of its name.")
@click.option(
    "--metric",
    metavar="M",
    callback=_metric,
    help="Show only weights with this metric, highest first: mIoU, 'mIoU>=80%' or 'RMSE<=0.3'.",
)
@click.option(
    "--has", "classes", multiple=True, metavar="C", help="Show only weights with this class."
)
@click.option("--licence", metavar="L", help="Show only weights with this licence, by part of it.")
@click.option(
    "--commercial", is_flag=True, help="Show only weights that are free for commercial use."
)
@click.option(
    "--max-size", metavar="BYTES", callback=_amount, help="Show only smaller files: 200MB."
)
@click.option(
    "--max-parameters", metavar="N", callback=_amount, help="Show only smaller models: 30M."
)
@click.option("--here", is_flag=True, help="Show only weights whose file is on this machine.")
@click.option(
    "--sort", metavar="KEY", help="Sort by name, size, parameters, or a metric, highest first."
)
@click.option("--legacy", is_flag=True, help="Include OpenMMLab's old checkpoints.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    texts: tuple[str, ...],
    task: str | None,
    plugin: str | None,
    dataset: str | None,
    arch: str | None,
    metric: MetricFilter | None,
    classes: tuple[str, ...],
    licence: str | None,
    commercial: bool,
    max_size: float | None,
    max_parameters: float | None,
    here: bool,
    sort: str | None,
    legacy: bool,
    wide: bool,
    as_json: bool,
) -> None:
    """List the available weights: task, size, file, metrics and licences.

    FILE says whether the file is on this machine: `shipped` with its plugin, `cached`, or
    `to fetch`. Weights `to pin` state too few digits of their sha256 to be downloaded unasked:
    `zoo download NAME --pin`.

    Parts of networks are listed with --task backbone, or with TEXT.

    With TEXT, list those that contain it in their name, task, plugin, model, data sets, classes,
    metrics or licences, including OpenMMLab's old checkpoints. Their state is `legacy` until
    `zoo rescue` has adopted a copy.
    """
    from zoo.catalog import read_catalog
    from zoo.cli.options.weights_filters import Filters

    catalog = read_catalog()
    if plugin is not None:
        catalog.plugin(plugin)
    filters = Filters(
        texts=texts,
        task=task,
        plugin=plugin,
        dataset=dataset,
        architecture=arch,
        metric=metric,
        classes=classes,
        licence=licence,
        is_commercial=commercial,
        most_bytes=max_size,
        most_parameters=max_parameters,
        is_here=here,
        sort=sort,
    )
    with_legacy = legacy or bool(texts)
    entries, problems = _entries(catalog, with_legacy=with_legacy)
    rows = filters.choose(entries)
    hidden = 0 if task or texts or as_json else sum(row["task"] == "backbone" for row in rows)
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
    for problem in problems:
        say_text(f"\n{problem}", err=True)


def _entries(catalog: Catalog, *, with_legacy: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the manifests, then those of the legacy indexes, and what is broken."""
    from zoo.cli.options.weights_entries import legacy_entry, weights_entry
    from zoo.manifest.rows import LegacyRow, WeightsFacts
    from zoo.weights.replacing import living_addresses

    entries = [
        weights_entry(catalog, found, found.row)
        for found in catalog.rows("weights")
        if isinstance(found.row, WeightsFacts)
    ]
    if not with_legacy:
        return entries, []
    from zoo.errors import DownloadError
    from zoo.weights.legacy import legacy_rows
    from zoo.weights.lock import pin_of, read_pins

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
