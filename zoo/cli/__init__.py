# SPDX-License-Identifier: Apache-2.0
"""The ``zoo`` command: one file per command group, each imported only when it is called."""

from __future__ import annotations

import click

from zoo.cli.plugged.core_commands import CORE_COMMANDS
from zoo.cli.plugged.plugged_group import PluggedGroup

__all__ = ["main"]


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from zoo.cli.output.printing import say
        from zoo.version import __version__

        say(f"zoo {__version__}")
        ctx.exit()


def _leave_out_plugins(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        import os

        # Also for the processes that the command starts.
        os.environ["ZOO_PLUGINS"] = ""


@click.group(
    cls=PluggedGroup,
    lazy=CORE_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A plugin-based model zoo registry for image segmentation on OpenMMLab.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version)
@click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_leave_out_plugins,
    help="Find no plugins, as ZOO_PLUGINS= does.",
)
def main() -> None:
    """Run the ``zoo`` command."""
