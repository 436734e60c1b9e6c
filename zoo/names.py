# SPDX-License-Identifier: Apache-2.0
"""Spelling of names, and search for similar names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["COMMAND_NAME", "PLUGIN_NAME", "PLUGIN_VERSION", "hint_near", "near_names"]

_MOST_CHARACTERS = 200  # comparing takes time quadratic in the length

PLUGIN_NAME = r"[a-z][a-z0-9_]*"
"""Pattern of a plugin's name: it is a folder, a part of a package's name and of dotted types."""
PLUGIN_VERSION = r"[0-9][0-9A-Za-z.+!-]*"
"""Pattern of a plugin's version: like its name, it stands in lines that people paste."""
COMMAND_NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
"""Pattern of the name of a plugin's command, as it is typed after ``zoo``."""


def near_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return up to 5 similar names, most similar first, ignoring case.

    Args:
        name: The unknown name.
        names: The known names.

    Returns:
        Similar names in their original spelling, without ``name`` itself; empty if there are none.

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
    """Return a hint with similar names, or another hint if there are none.

    Args:
        near: Similar names.
        otherwise: The hint if ``near`` is empty.

    Example:
        >>> hint_near(["unet_lung_xray"], "zoo list shows all.")
        'did you mean unet_lung_xray?'
    """
    return f"did you mean {' or '.join(near)}?" if near else otherwise
