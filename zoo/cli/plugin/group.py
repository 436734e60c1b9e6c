# SPDX-License-Identifier: Apache-2.0
"""The group ``zoo plugin``: its commands are imported when they are called."""

from __future__ import annotations

from zoo.cli.plugged.plugged_group import PluggedGroup

__all__ = ["group"]

group = PluggedGroup(
    "plugin",
    group_name="plugin",
    help="List and check the plugins.",
    lazy={
        "list": ("zoo.cli.plugin.listing:command", "List the plugins, including broken ones."),
        "check": ("zoo.cli.plugin.check:command", "Check a plugin against every rule."),
    },
)
