# SPDX-License-Identifier: Apache-2.0
"""``zoo`` and its groups: own commands, and, for any other word, those of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

import click

from zoo.cli.output.groups import LazyGroup

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from zoo.cli.plugged.offered import Offered

__all__ = ["NO_PLUGINS", "PluggedGroup"]

NO_PLUGINS = "zoo.no_plugins"
"""Key of a context's meta: whether ``--no-plugins`` was given."""


class PluggedGroup(LazyGroup):
    """A lazy group that asks the plugins for words that are none of its own commands.

    Its own commands never read a manifest for that; ``--help`` and completion read all manifests
    but import nothing.

    Args:
        name: Name of the group.
        group_name: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
        lazy: Command name -> (``module:attribute``, one-line help).
        kwargs: Keywords of ``click.Group``.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        lazy: dict[str, tuple[str, str]],
        group_name: str | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(name, lazy=lazy, **kwargs)
        self.group_name = group_name

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of its own commands, then those of plugins that can be used.

        Args:
            ctx: Context of the group.
        """
        return [*super().list_commands(ctx), *(each.called for each in self._usable())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if none of that name can be used.

        Args:
            ctx: Context of the group.
            cmd_name: ``name``, or ``plugin.name`` for a plugin's command.
        """
        from zoo.cli.options.completion import without_warnings
        from zoo.errors import ZooError

        if cmd_name in self.lazy:
            return super().get_command(ctx, cmd_name)
        with without_warnings():
            try:
                return self._plugin_command(cmd_name)
            except ZooError:
                return None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin with a text; nothing is imported.

        Args:
            ctx: Context of the group.
            incomplete: The word to complete, as typed so far.
        """
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-"):
            return found
        from click.shell_completion import CompletionItem

        from zoo.cli.options.completion import without_warnings

        with without_warnings():
            items = [CompletionItem(each.called, help=each.summary) for each in self._usable()]
        return found + [item for item in items if item.value.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a table of its own commands, and one of those of plugins.

        Args:
            ctx: Context of the group.
            formatter: Receives the tables.
        """
        from zoo.cli.plugged.offered import offered_commands
        from zoo.texts import printable

        super().format_commands(ctx, formatter)
        offered = offered_commands(self.group_name)
        rows = [(each.called, printable(each.summary)) for each in offered]
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, which may be a plugin's; for an unknown name, offer near ones.

        Args:
            ctx: Context of the group.
            args: Words after the group's name; the first names the command.
        """
        from zoo.errors import UnknownNameError, ZooError

        name = args[0] if args else ""
        if ctx.resilient_parsing or name in self.lazy or name.startswith("-"):
            return super().resolve_command(ctx, args)
        try:
            return name, self._plugin_command(name), args[1:]
        except UnknownNameError as error:
            if "." in name and error.near:
                ctx.fail(f"no such command {name!r}. Did you mean {' or '.join(error.near)}?")
            self._fail_unknown(ctx, name)
        except ZooError as error:
            if "--debug" in args:
                raise
            from zoo.cli.output.printing import say_text

            say_text(f"error: {error}", err=True)
            ctx.exit(1)

    def _fail_unknown(self, ctx: click.Context, name: str) -> Never:
        from zoo.cli.plugged.absent import why_absent
        from zoo.cli.plugged.offered import near_commands, unread_plugins

        are_left_out = ctx.meta.get(NO_PLUGINS, False)
        reason = why_absent(self.group_name, name, are_left_out=are_left_out)
        if reason:
            ctx.fail(f"no such command {name!r}.{reason}")
        near, unread = near_commands(self.group_name, name), unread_plugins()
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        if not near and unread:
            hint = f" The plugin {' or '.join(unread)} may have it, but cannot be read: "
            hint += "`zoo plugin list` says why."
        elif not near and are_left_out:
            hint = " --no-plugins leaves out the commands of plugins."
        ctx.fail(f"no such command {name!r}.{hint}")

    def _usable(self) -> list[Offered]:
        from zoo.cli.plugged.offered import offered_commands

        offered = offered_commands(self.group_name)
        return [each for each in offered if each.found.record.error is None]

    def _plugin_command(self, name: str) -> click.Command:
        from zoo.cli.plugged.guarding import load_command
        from zoo.cli.plugged.offered import find_command

        return load_command(find_command(self.group_name, name))
