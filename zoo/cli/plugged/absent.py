# SPDX-License-Identifier: Apache-2.0
"""Why a command of a plugin is not there: its plugin is left out, or not installed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from importlib import resources

__all__ = ["why_absent"]


def why_absent(group: str | None, name: str, *, are_left_out: bool) -> str:
    """Return what to tell after ``no such command``, or an empty text if no plugin is known for it.

    Args:
        group: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
        name: ``name`` or ``plugin.name``, which no plugin that was read has.
        are_left_out: Whether ``--no-plugins`` leaves all plugins out.
    """
    owners = _owners_left_out(group, name)
    if owners:
        text = f" The plugin {' or '.join(owners)} has it, and is left out by "
        if are_left_out:
            return f"{text}--no-plugins: run it without that option."
        kept = [word.strip() for word in os.environ.get("ZOO_PLUGINS", "").split(",")]
        names = ",".join([*filter(None, kept), owners[0]])
        return f"{text}ZOO_PLUGINS: set ZOO_PLUGINS={names}"
    distribution = _shipped_commands().get(f"zoo {group} {name}" if group else f"zoo {name}")
    if distribution is None:
        return ""
    without = ", and run it without --no-plugins" if are_left_out else ""
    return f" A plugin has it now: pip install {distribution}{without}"


def _owners_left_out(group: str | None, name: str) -> list[str]:
    """Return the plugins with a command of that name that ``ZOO_PLUGINS`` leaves out."""
    from zoo.catalog import read_catalog
    from zoo.errors import PluginError
    from zoo.manifest.discovery import find_candidates
    from zoo.manifest.reading import read_manifest
    from zoo.manifest.rows import CommandRow

    if os.environ.get("ZOO_PLUGINS") is None:
        return []
    kept = {record.name for record in read_catalog().plugins}
    owners = set()
    for candidate in find_candidates():
        with suppress(PluginError):
            if candidate.manifest is None:
                continue
            manifest = read_manifest(candidate.manifest)
            names = (name, name.removeprefix(f"{manifest.plugin}."))
            rows = [row for row in manifest.contributions if isinstance(row, CommandRow)]
            if any(row.group == group and row.name in names for row in rows):
                owners.add(manifest.plugin)
    return sorted(owners - kept)


def _shipped_commands() -> dict[str, str]:
    """Return the commands of the plugins that are published with zoo -> their distributions."""
    file = resources.files("zoo.cli.plugged").joinpath("shipped_commands.json")
    commands: dict[str, str] = json.loads(file.read_text("utf-8"))
    return commands
