# SPDX-License-Identifier: Apache-2.0
"""Names of weights with a version, such as ``unet_road@2``; without one, the newest is meant."""

from __future__ import annotations

import re

from zoo.manifest.rows import WeightsFacts

__all__ = ["is_named", "split_version"]

_VERSION = re.compile(r"([^@]+)@([1-9][0-9]{0,8})")


def split_version(name: str) -> tuple[str, int | None]:
    """Return the name of weights and the version that it asks for, or None.

    Args:
        name: ``NAME`` or ``NAME@VERSION``.

    Example:
        >>> split_version("unet_road@2"), split_version("unet_road")
        (('unet_road', 2), ('unet_road', None))
    """
    found = _VERSION.fullmatch(name)
    return (name, None) if found is None else (found[1], int(found[2]))


def is_named(row: WeightsFacts, name: str, plugin: str) -> bool:
    """Return whether a row is called by its name or an alias, with or without its plugin.

    Args:
        row: A row of weights.
        name: ``Name`` or ``plugin.Name``, without a version.
        plugin: The plugin that has the row.
    """
    return any(name in (own, f"{plugin}.{own}") for own in (row.name, *row.aliases))
