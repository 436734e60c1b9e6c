# SPDX-License-Identifier: Apache-2.0
"""The ``zoo`` command: one file per command group, each imported only when it is called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from zoo.cli.plugged.core_commands import CORE_COMMANDS
from zoo.cli.plugged.plugged_group import NO_PLUGINS, PluggedGroup

__all__ = ["main"]

_PLUGINS = "ZOO_PLUGINS"


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from zoo.cli.output.printing import say
        from zoo.version import __version__

        say(f"zoo {__version__}")
        ctx.exit()


def _leave_out_plugins(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[NO_PLUGINS] = True
        os.environ[_PLUGINS] = ""  # also for the processes that the command starts


class _Zoo(PluggedGroup):
    """The command line, which leaves the environment of a caller in Python as it was."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **how: Any) -> Any:
        """Run the command line.

        Args:
            args: Words of the command line; None means ``sys.argv[1:]``.
            more: Further arguments of ``click.Command.main``.
            how: Keywords of ``click.Command.main``.
        """
        before = os.environ.get(_PLUGINS)
        try:
            return super().main(args, *more, **how)
        finally:
            if before is None:
                os.environ.pop(_PLUGINS, None)
            else:
                os.environ[_PLUGINS] = before


@click.group(
    cls=_Zoo,
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
