# SPDX-License-Identifier: Apache-2.0
"""The commands that plugins offer, from their manifests; nothing is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zoo.cli.plugged.core_commands import core_names

if TYPE_CHECKING:
    from zoo.catalog import Found, PluginRecord
    from zoo.errors import PluginError
    from zoo.manifest.rows import CommandRow

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
        called: What to type in its group: the name, or ``plugin.name`` if the name is not free.
        found: The plugin, and the row.
        row: The row.
        error: Why its name alone does not run it, or None.
    """

    called: str
    found: Found
    row: CommandRow
    error: PluginError | None

    @property
    def summary(self) -> str:
        """Return its line in listings, with a mark if its name is not free or its plugin broken."""
        plugin = self.found.record
        if plugin.error is not None:
            return f"Cannot be used: plugin {plugin.name} is broken; see zoo plugin list."
        summary = self.row.summary or f"Of the plugin {plugin.name}."
        return summary if self.called == self.row.name else f"{summary} (its short name is taken)"


def offered_commands(group: str | None) -> list[Offered]:
    """Return the commands that plugins add to a group, those of broken plugins too, by name.

    Args:
        group: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
    """
    return _offered(_rows().get(group, []))


def command_conflicts() -> dict[str, list[PluginError]]:
    """Return plugin -> why the names of commands of it do not run them, for usable plugins."""
    conflicts: dict[str, list[PluginError]] = {}
    for rows in _rows().values():
        for each in _offered(rows):
            if each.error is not None and each.found.record.error is None:
                conflicts.setdefault(each.found.record.name, []).append(each.error)
    return conflicts


def _rows() -> dict[str | None, list[tuple[Found, CommandRow]]]:
    """Return group -> the commands that plugins add to it."""
    from zoo.catalog import Found, read_catalog
    from zoo.manifest.rows import CommandRow

    rows: dict[str | None, list[tuple[Found, CommandRow]]] = {}
    for record in read_catalog().plugins:
        for row in record.manifest.contributions if record.manifest else ():
            if isinstance(row, CommandRow):
                rows.setdefault(row.group, []).append((Found(record, row), row))
    return rows


def _offered(rows: list[tuple[Found, CommandRow]]) -> list[Offered]:
    """Judge the commands of one group."""
    owners: dict[str, list[PluginRecord]] = {}
    for found, row in rows:
        owners.setdefault(row.name, []).append(found.record)
    offered = []
    for found, row in rows:
        called, error = row.name, found.record.error
        other = None if error else _other_owner(found.record, row, owners[row.name])
        if other is not None:
            called, error = f"{found.record.name}.{row.name}", _conflict(found, row, other)
        offered.append(Offered(called, found, row, error))
    return sorted(offered, key=lambda each: each.called)


def _other_owner(own: PluginRecord, row: CommandRow, owners: list[PluginRecord]) -> str | None:
    """Return who else has the name of a command in its group, or None."""
    if row.name in core_names(row.group):
        return "zoo itself"
    usable = [other.name for other in owners if other.error is None and other != own]
    return f"plugin {usable[0]}" if usable else None


def _conflict(found: Found, row: CommandRow, other: str) -> PluginError:
    from zoo.errors import ConflictError

    name, plugin = row.name, found.record.name
    return ConflictError(
        f"cannot run the command {name!r} of plugin {plugin!r} by that name: {other} has it too.",
        first=f"plugin {plugin}",
        second=other,
        plugin=plugin,
        hint=f"write {row.parent} {plugin}.{name}",
    )


def find_command(group: str | None, name: str) -> Found:
    """Return the row of a plugin's command by ``name`` or ``plugin.name``.

    Args:
        group: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
        name: The word after the group.

    Raises:
        UnknownNameError: No plugin has it.
        PluginError: Only a broken plugin has it, or two plugins have it.
    """
    from zoo.catalog import read_catalog

    return read_catalog().find_command(group, name)


def near_commands(group: str | None, name: str) -> list[str]:
    """Return up to 3 commands of a group with similar names, of zoo itself and of plugins.

    Args:
        group: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
        name: The unknown name.
    """
    import difflib

    offered = offered_commands(group)
    usable = [each.called for each in offered if each.found.record.error is None]
    return difflib.get_close_matches(name[:200], [*core_names(group), *usable], n=3)


def unread_plugins() -> list[str]:
    """Return the plugins whose manifests cannot be read, so that their commands are not known."""
    from zoo.catalog import read_catalog

    return [record.name for record in read_catalog().plugins if record.manifest is None]
