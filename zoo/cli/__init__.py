# SPDX-License-Identifier: Apache-2.0
"""The ``zoo`` command: one file a command group, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["EndsWithItsOutput", "LazyGroup", "main"]

# Name -> (module:attribute, one-line help). The help stands beside the name so that
# `zoo --help` imports no command.
_COMMANDS = {
    "list": ("zoo.cli.list:command", "List the weights that can be had."),
    "info": ("zoo.cli.info:command", "Show everything the manifests say of one name."),
    "download": ("zoo.cli.download:command", "Fetch weights, verified."),
    "verify": ("zoo.cli.verify:command", "Hash cached weights again."),
    "cache": ("zoo.cli.cache:group", "List or remove weights that were fetched."),
    "rescue": ("zoo.cli.rescue:command", "Adopt old OpenMMLab checkpoints found on disk."),
    "publish": ("zoo.cli.publish:command", "Publish a run: one file, its card, its row."),
    "train": ("zoo.cli.train:command", "Train a config."),
    "test": ("zoo.cli.test:command", "Measure a checkpoint on a split."),
    "predict": ("zoo.cli.predict:command", "Segment images with a model."),
    "plot": ("zoo.cli.plot:command", "Draw loss and metric curves."),
    "config": ("zoo.cli.config:group", "List configs, or show one resolved."),
    "data": ("zoo.cli.data:group", "Sample, prepare, check and show data sets."),
    "plugin": ("zoo.cli.plugin:group", "List the plugins, broken ones too."),
    "doctor": ("zoo.cli.doctor:command", "Say what works on this machine and what mends the rest."),
}


class EndsWithItsOutput(click.Command):
    """A command whose output may be lost, to a full disk or a closed pipe."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **how: Any) -> Any:
        """Run the command line; output that is lost ends it with one line at most."""
        words = sys.argv[1:] if args is None else args
        try:
            return super().main(args, *more, **how)
        except Exception as error:
            from zoo.cli.output.printing import end_lost

            end_lost(error, words)
            raise


class LazyGroup(EndsWithItsOutput, click.Group):
    """A group whose commands are imported when called, never for ``--help`` of the group.

    Args:
        name: Name of the group.
        lazy: Command name -> (``module:attribute``, one-line help).
        kwargs: What ``click.Group`` takes.
    """

    def __init__(
        self, name: str | None = None, *, lazy: dict[str, tuple[str, str]], **kwargs: object
    ) -> None:
        super().__init__(name, **kwargs)  # type: ignore[arg-type]
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return [*self.lazy]  # `list` here is the module zoo.cli.list, once that is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None if there is none of that name."""
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that is named; Ctrl-C before it has begun ends with 130 too."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            from zoo.cli.output.printing import say

            say("interrupted", err=True)
            ctx.exit(130)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from the help that stands beside the names."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, offering near names for one that does not exist."""
        if args and args[0] not in self.lazy and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self.lazy, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"no such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        import zoo
        from zoo.cli.output.printing import say

        say(f"zoo {zoo.__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A plugin-based model zoo registry for image segmentation on OpenMMLab.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version)
def main() -> None:
    """Run the ``zoo`` command."""
