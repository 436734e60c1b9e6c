# SPDX-License-Identifier: Apache-2.0
"""``zoo config``: the configs of the plugins."""

from __future__ import annotations

import click

from zoo.cli.options.completion import complete_config
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say_json, say_text
from zoo.cli.output.tables import print_rows, wide_option
from zoo.cli.plugged.plugged_group import PluggedGroup

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
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_configs(wide: bool, as_json: bool) -> None:
    """List the configs of the plugins."""
    from zoo.catalog import read_catalog
    from zoo.manifest.rows import ConfigRow

    rows = [
        {
            "name": found.row.name,
            "plugin": found.record.name,
            "summary": found.row.summary,
            "file": str(found.record.file(found.row.file)),
        }
        for found in read_catalog().rows("config")
        if isinstance(found.row, ConfigRow)
    ]
    columns = ["name", "plugin", "summary"]
    print_rows(rows, columns, as_json=as_json, wide=wide, empty="no plugin has a config")


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

    config = parse_config_file(find_config_file(name))
    if cfg_options:
        merge_cfg_options(config, parse_cfg_options(cfg_options))
    if as_json:
        say_json(config.to_dict(), default=str)
    else:
        say_text(config.pretty_text)
