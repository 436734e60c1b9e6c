# SPDX-License-Identifier: Apache-2.0
"""``zoo list``: the weights that can be had, one row each."""

from __future__ import annotations

import click

from zoo.cli.errors import ZooCommand

__all__ = ["command"]


@click.command("list", cls=ZooCommand)
@click.option("--task", type=click.Choice(["semantic", "instance"]), help="Only this task.")
@click.option("--plugin", metavar="P", help="Only the weights of this plugin.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(task: str | None, plugin: str | None, as_json: bool) -> None:
    """List the weights that can be had: task, size, metrics and licences."""
    from zoo.catalog import read_catalog
    from zoo.cli.tables import print_rows
    from zoo.rows import WeightsRow

    catalog = read_catalog()
    if plugin is not None:
        catalog.plugin(plugin)
    rows = [
        {
            "name": row.name,
            "plugin": found.record.name,
            "task": row.task,
            "config": row.config,
            "size": f"{row.size_bytes / 1e6:.1f} MB",
            "size_bytes": row.size_bytes,
            "parameters": row.parameters,
            "metrics": [f"{m.name} {m.value:.4g} ({m.dataset}, {m.split})" for m in row.metrics],
            "licence": row.licence,
            "data_licence": row.data_licence,
            "sha256": row.sha256,
            "state": "ok" if found.error is None else "conflict",
            "error": None if found.error is None else str(found.error),
        }
        for found in catalog.rows("weights")
        if isinstance(row := found.row, WeightsRow)
        and task in (None, row.task)
        and plugin in (None, found.record.name)
    ]
    columns = ["name", "plugin", "task", "size", "metrics", "licence", "data_licence"]
    if any(shown["error"] for shown in rows):
        columns.insert(1, "state")
    print_rows(rows, columns, as_json=as_json, empty="no weights: zoo plugin list shows why")
    if not as_json:
        for shown in rows:
            if shown["error"]:
                click.echo(f"\n{shown['name']}: {shown['error']}", err=True)
