# SPDX-License-Identifier: Apache-2.0
"""The commands that plugins offer, from their manifests; nothing is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zoo.cli.plugged.core_commands import CORE_COMMANDS

if TYPE_CHECKING:
    from zoo.catalog import Found
    from zoo.errors import PluginError

__all__ = [
    "Offered",
    "command_conflicts",
    "find_command",
    "near_commands",
    "offered_commands",
    "unread_plugins",
]


class Offered(NamedTuple):
    """A command of a plugin.

    Attributes:
        called: What to type after ``zoo``: the name, or ``plugin.name`` if the name is not free.
        found: The row.
        error: Why ``zoo NAME`` does not run it, or None.
    """

    called: str
    found: Found
    error: PluginError | None

    @property
    def summary(self) -> str:
        """Return its line in listings, with a mark if its name is not free or its plugin broken."""
        plugin = self.found.record
        if plugin.error is not None:
            return f"Cannot be used: plugin {plugin.name} is broken; see zoo plugin list."
        summary = getattr(self.found.row, "summary", None) or f"Of the plugin {plugin.name}."
        is_free = self.called == self.found.row.name
        return summary if is_free else f"{summary} (its short name is taken)"


def offered_commands() -> list[Offered]:
    """Return the commands of all plugins, those of broken plugins too, sorted by name."""
    from zoo.catalog import Found, read_catalog

    found = [
        Found(record, row)
        for record in read_catalog().plugins
        if record.manifest is not None
        for row in record.manifest.contributions
        if row.kind == "command"
    ]
    offered = [_offered(each, found) for each in found]
    return sorted(offered, key=lambda each: each.called)


def _offered(own: Found, found: list[Found]) -> Offered:
    name, plugin = own.row.name, own.record
    called, error = name, plugin.error
    if error is None and name in CORE_COMMANDS:
        called, error = f"{plugin.name}.{name}", _conflict(own, "zoo itself")
    elif error is None:
        others = [each.record for each in found if each.row.name == name and each.record != plugin]
        usable = [other for other in others if other.error is None]
        if usable:
            called, error = f"{plugin.name}.{name}", _conflict(own, f"plugin {usable[0].name}")
    return Offered(called, own, error)


def _conflict(own: Found, other: str) -> PluginError:
    from zoo.errors import ConflictError

    name, plugin = own.row.name, own.record.name
    return ConflictError(
        f"cannot run the command {name!r} of plugin {plugin!r} by that name: {other} has it too.",
        first=f"plugin {plugin}",
        second=other,
        plugin=plugin,
        hint=f"write zoo {plugin}.{name}",
    )


def command_conflicts() -> dict[str, list[PluginError]]:
    """Return plugin -> why ``zoo NAME`` does not run a command of it, for usable plugins."""
    conflicts: dict[str, list[PluginError]] = {}
    for each in offered_commands():
        if each.error is not None and each.found.record.error is None:
            conflicts.setdefault(each.found.record.name, []).append(each.error)
    return conflicts


def find_command(name: str) -> Found:
    """Return the row of a plugin's command by ``name`` or ``plugin.name``.

    Args:
        name: The word after ``zoo``.

    Raises:
        UnknownNameError: No plugin has it.
        PluginError: Only a broken plugin has it, or two plugins have it.
    """
    from zoo.catalog import read_catalog

    return read_catalog().find("command", name)


def near_commands(name: str) -> list[str]:
    """Return up to 3 commands with similar names, of zoo itself and of plugins.

    Args:
        name: The unknown name.
    """
    import difflib

    usable = [each.called for each in offered_commands() if each.found.record.error is None]
    return difflib.get_close_matches(name[:200], [*CORE_COMMANDS, *usable], n=3)


def unread_plugins() -> list[str]:
    """Return the plugins whose manifests cannot be read, so that their commands are not known."""
    from zoo.catalog import read_catalog

    return [record.name for record in read_catalog().plugins if record.manifest is None]
