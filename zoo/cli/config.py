# SPDX-License-Identifier: Apache-2.0
"""``zoo config``: the configs of the plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from zoo.cli.options.completion import complete_config
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_json, say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.plugged_group import PluggedGroup

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.manifest.rows import BaseRow, ConfigRow

__all__ = ["group", "list_configs", "show"]

group = PluggedGroup(
    "config",
    group_name="config",
    help="List configs, or show one resolved.",
    lazy={
        "list": ("zoo.cli.config:list_configs", "List the configs of the plugins."),
        "show": ("zoo.cli.config:show", "Print a config with its bases resolved."),
    },
)


@click.command("list", cls=ZooCommand)
@click.option("--bases", is_flag=True, help="List the parts that configs may name in _base_.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_configs(bases: bool, wide: bool, as_json: bool) -> None:
    """List the configs of the plugins, or the bases that yours may build on as zoo::NAME."""
    from zoo.catalog import read_catalog

    rows = [
        _facts(found)
        for found in read_catalog(keep_readings=True).rows("base" if bases else "config")
    ]
    columns = ["name", "plugin", *(["part", "task"] if bases else []), "summary"]
    empty = "no plugin has a base" if bases else "no plugin has a config"
    print_rows(rows, columns, as_json=as_json, wide=wide, empty=empty)


def _facts(found: Found) -> dict[str, str | None]:
    from zoo.manifest.rows import BaseRow

    row = cast("BaseRow | ConfigRow", found.row)
    facts = {"name": row.name, "plugin": found.record.name, "summary": row.summary}
    facts["file"] = str(found.record.file(row.file))
    if isinstance(row, BaseRow):
        facts |= {"part": row.part, "task": row.task}
    return facts


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME", shell_complete=complete_config)
@click.option(
    "--cfg-options", multiple=True, metavar="K=V", help="Override values, as in `zoo train`."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, cfg_options: tuple[str, ...], as_json: bool) -> None:
    """Print the config NAME, a name or a path, with its bases resolved."""
    from zoo.engine.config.options import merge_cfg_options, parse_cfg_options
    from zoo.engine.config_files.files import find_config_file, parse_config_file
    from zoo.engine.config_files.written import text_of

    config = parse_config_file(find_config_file(name))
    if cfg_options:
        merge_cfg_options(config, parse_cfg_options(cfg_options))
    if as_json:
        say_json(config.to_dict(), default=str)
    else:
        say_text(text_of(config))
