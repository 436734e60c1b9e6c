# SPDX-License-Identifier: Apache-2.0
"""click commands and groups whose help imports nothing, and that handle lost output."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["EndsWithItsOutput", "LazyGroup"]


class EndsWithItsOutput(click.Command):
    """A command whose output may be lost, to a full disk or a closed pipe."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **how: Any) -> Any:
        """Run the command line; lost output ends it with at most one line.

        Args:
            args: Words of the command line; None means ``sys.argv[1:]``.
            more: Further arguments of ``click.Command.main``.
            how: Keywords of ``click.Command.main``.
        """
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
        kwargs: Keywords of ``click.Group``.
    """

    def __init__(
        self, name: str | None = None, *, lazy: dict[str, tuple[str, str]], **kwargs: object
    ) -> None:
        super().__init__(name, **kwargs)  # type: ignore[arg-type]
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table.

        Args:
            ctx: Context of the group.
        """
        return [*self.lazy]  # `list` here is the module zoo.cli.list, once that is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if no command has that name.

        Args:
            ctx: Context of the group.
            cmd_name: Name of the command.
        """
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin with a text, without imports, or the group's own options.

        Args:
            ctx: Context of the group.
            incomplete: The word to complete, as typed so far.
        """
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        table = self.lazy.items()
        return [
            CompletionItem(name, help=help_)
            for name, (_, help_) in table
            if name.startswith(incomplete)
        ]

    def invoke(self, ctx: click.Context) -> object:
        """Run the named command; Ctrl-C before it begins also exits with 130.

        Args:
            ctx: Context of the group.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            from zoo.cli.output.printing import say

            say("interrupted", err=True)
            ctx.exit(130)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from the help texts in the group's table.

        Args:
            ctx: Context of the group.
            formatter: Receives the table.
        """
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in self.lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown name, offer near ones.

        Args:
            ctx: Context of the group.
            args: Words after the group's name; the first names the command.
        """
        is_unknown = bool(args) and args[0] not in self.lazy and not args[0].startswith("-")
        if is_unknown and not ctx.resilient_parsing:  # set during shell completion
            import difflib

            near = difflib.get_close_matches(args[0], self.lazy, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"no such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)
