# SPDX-License-Identifier: Apache-2.0
"""How names are spelled, and which ones look like another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["PLUGIN_NAME", "hint_near", "near_names"]

_MOST_CHARACTERS = 200  # comparing takes the square of the length, and nobody types more

PLUGIN_NAME = r"[a-z][a-z0-9_]*"
"""Pattern of a plugin's name: it is a folder, a part of a package's name and of dotted types."""


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return at most 5 of the names that look like one, nearest first; case is ignored.

    Args:
        name: What was asked for.
        names: What there is.

    Returns:
        The near ones as they are spelled, never the very name; empty if none is near.

    Example:
        >>> near_names("DiceLos", ["DiceLoss", "FocalLoss"])
        ('DiceLoss',)
    """
    from difflib import get_close_matches

    if len(name) > _MOST_CHARACTERS:
        return ()
    spelled = {
        candidate.lower(): candidate
        for candidate in names
        if candidate != name and len(candidate) <= _MOST_CHARACTERS
    }
    close = get_close_matches(name.lower(), list(spelled), n=5, cutoff=0.6)
    return tuple(spelled[candidate] for candidate in close)


def hint_near(near: Sequence[str], otherwise: str) -> str:
    """Return the hint that offers near names, or another one where there are none.

    Args:
        near: Names that look like the one that was not found.
        otherwise: A hint for when there are none.

    Example:
        >>> hint_near(["unet_lung_xray"], "zoo list shows all.")
        'did you mean unet_lung_xray?'
    """
    return f"did you mean {' or '.join(near)}?" if near else otherwise
