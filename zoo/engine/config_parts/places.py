# SPDX-License-Identifier: Apache-2.0
"""Where a config's data lies: folders of one machine, which differ elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.engine.config_parts.parts import iterate_leaves

__all__ = ["FOLDER", "find_data_roots", "within_roots"]

FOLDER = "DIR"
"""What stands for a data folder."""

_PARTS = ("train", "val", "test", "val_loss")


def find_data_roots(config: Mapping[str, Any]) -> list[str]:
    """Return the folders of a config's data sets, the longest name first.

    Args:
        config: The whole config.
    """
    loaders = [config.get(f"{part}_dataloader") for part in _PARTS]
    roots = {
        str(leaf["data_root"])
        for loader in loaders
        if loader and loader.get("dataset")
        for _, leaf in iterate_leaves(loader["dataset"], "")
        if leaf.get("data_root")
    }
    return sorted(roots, key=len, reverse=True)


def within_roots(value: str, roots: Sequence[str]) -> str:
    """Return a path with ``DIR`` for the data folder that it lies in; any other text as it is.

    Args:
        value: A text of a config.
        roots: As `find_data_roots` returns them.
    """
    for root in roots:
        folder = root.rstrip("/")
        if f"{value}/".startswith(f"{folder}/"):
            return f"{FOLDER}{value[len(folder) :]}".rstrip("/")
    return value
