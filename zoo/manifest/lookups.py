# SPDX-License-Identifier: Apache-2.0
"""Helpers for lookups: check that a name is a text, and hint at a listing."""

from __future__ import annotations

import os
import re
import sys

from zoo.errors import UnknownNameError
from zoo.texts import shown

__all__ = ["check_name", "hint_installing", "hint_listing", "may_be_plugin"]

_PLUGIN = re.compile(r"[a-z][a-z0-9_]{0,63}")

_LISTINGS = {
    "config": "zoo config list shows all.",
    "dataset": "zoo data list shows all.",
    "weights": "zoo list shows all.",
}


def hint_listing(kind: str) -> str:
    """Return the hint that points to the listing of a kind.

    Args:
        kind: ``weights``, ``config``, ``loss``, ...
    """
    return _LISTINGS.get(kind, "zoo plugin list shows the plugins found.")


def may_be_plugin(name: str) -> bool:
    """Return whether a plugin could have this name; a module of Python's own is none.

    Args:
        name: What stands where a plugin's name belongs.
    """
    return _PLUGIN.fullmatch(name) is not None and name not in sys.stdlib_module_names


def hint_installing(plugin: str) -> str:
    """Return the hint for a plugin that was not found: how to install it, or what hides it.

    Args:
        plugin: What stands where a plugin's name belongs.
    """
    if not may_be_plugin(plugin):
        return hint_listing("plugin")
    chosen = os.environ.get("ZOO_PLUGINS")
    hides = "" if chosen is None else "ZOO_PLUGINS may leave it out; otherwise "
    distribution = f"mmzoo-{plugin.replace('_', '-')}"
    return f"{hides}install it, as its author says, mostly with `pip install {distribution}`."


def check_name(kind: str, name: object) -> None:
    """Raise an error unless a name is a text: Python callers may pass anything.

    Args:
        kind: The kind to look up: ``weights``, ``config``, ``loss``, ...
        name: The name from the caller.

    Raises:
        UnknownNameError: The name is not a text.
    """
    if isinstance(name, str):
        return
    message = f"no {kind} named {shown(name)}: expected a text, got {type(name).__name__}."
    raise UnknownNameError(message, kind=kind, name=shown(name), hint=hint_listing(kind))
