# SPDX-License-Identifier: Apache-2.0
"""The group ``zoo plugin``: its commands are imported when they are called."""

from __future__ import annotations

from zoo.cli.plugged.plugged_group import PluggedGroup

__all__ = ["group"]

group = PluggedGroup(
    "plugin",
    group_name="plugin",
    help="List, check, build and find plugins.",
    lazy={
        "list": ("zoo.cli.plugin.listing:command", "List the plugins, including broken ones."),
        "info": ("zoo.cli.plugin.info:command", "Show everything of one plugin."),
        "check": ("zoo.cli.plugin.check:command", "Check a plugin against every rule."),
        "search": ("zoo.cli.plugin.search:command", "Search plugins that sources list."),
        "build": ("zoo.cli.plugin.build:command", "Build the wheel and the sdist of a plugin."),
    },
)
