# SPDX-License-Identifier: Apache-2.0
"""Helpers for lookups: check that a name is a text, and hint at a listing."""

from __future__ import annotations

from zoo.errors import UnknownNameError
from zoo.texts import shown

__all__ = ["check_name", "hint_listing"]

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
