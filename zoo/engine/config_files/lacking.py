# SPDX-License-Identifier: Apache-2.0
"""A name whose plugin is not installed: say which, and how to get it."""

from __future__ import annotations

import re

from zoo.errors import UnknownNameError
from zoo.names import PLUGIN_NAME

__all__ = ["plugin_not_installed"]


def plugin_not_installed(plugin: str, wanted: str) -> UnknownNameError | None:
    """Return the error for something of a plugin that is not installed, or None if it is.

    Args:
        plugin: Name of the plugin.
        wanted: What the config names, for the message.
    """
    from zoo.catalog import read_catalog

    known = {record.name for record in read_catalog().plugins}
    if plugin in known or not re.fullmatch(PLUGIN_NAME, plugin):
        return None
    message = f"no plugin named {plugin!r} is installed, so there is no {wanted}."
    hint = f"pip install mmzoo-{plugin.replace('_', '-')}, or correct the name."
    return UnknownNameError(message, kind="plugin", name=plugin, hint=hint)
