# SPDX-License-Identifier: Apache-2.0
"""A plugin's command, made to end as zoo's own commands do."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.output.errors import ZooCommand
from zoo.errors import LoadError

if TYPE_CHECKING:
    from zoo.catalog import Found

__all__ = ["guarded", "load_command"]


class _PluginCommand(ZooCommand):
    """The ways of a plugin's command: it may end the process with any exit code itself."""

    may_exit = True


class _PluginGroup(_PluginCommand):
    """A plugin's group: each of its commands is guarded too."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a guarded command of the group, or None if no command has that name.

        Args:
            ctx: Context of the group.
            cmd_name: Name of the command.
        """
        found: click.Command | None = super().get_command(ctx, cmd_name)  # type: ignore[misc]
        return None if found is None else guarded(found)


def load_command(found: Found) -> click.Command:
    """Import a plugin's command and return it, guarded.

    Args:
        found: Its row.

    Raises:
        LoadError: Importing it fails, or it is not a click command.
        PluginError: The plugin cannot be used.
    """
    from zoo.loading import load_target

    command = load_target(found)
    if isinstance(command, click.Command):
        return guarded(command)
    target, plugin = getattr(found.row, "target", ""), found.record
    kind = type(command).__name__
    message = f"cannot load command {found.row.name!r}: it is {kind}, expected a click command."
    raise LoadError(
        message,
        target=target,
        plugin=plugin.name,
        where=f"plugin {plugin.name}, target {target}",
        hint="decorate the function with @click.command(), or correct the target.",
    )


def guarded(command: click.Command) -> click.Command:
    """Return a copy of a command that reports errors and ends as zoo's own commands do.

    Its class is a subclass of the command's class, so whatever that does is kept.

    Args:
        command: A click command or group.
    """
    if isinstance(command, ZooCommand):
        return command
    own = type(command)
    ways = _PluginGroup if isinstance(command, click.Group) else _PluginCommand
    result: Any = copy(command)
    result.__class__ = type(own.__name__, (ways, own), {})
    result.params = [*command.params, *_debug_option(command)]
    return result  # type: ignore[no-any-return]


def _debug_option(command: click.Command) -> list[click.Parameter]:
    taken = {word for param in command.params for word in (*param.opts, *param.secondary_opts)}
    return [] if "--debug" in taken else [ZooCommand.debug_option()]
