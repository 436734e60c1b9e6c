# SPDX-License-Identifier: Apache-2.0
"""Check that the prepared folder that a config reads exists; ``--data`` can replace it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.config_parts.tree import join_key
from zoo.errors import DataError, ZooError

if TYPE_CHECKING:
    from mmengine.config import Config

    from zoo.manifest.rows import DatasetRow

__all__ = ["check_data_roots"]


def check_data_roots(config: Config, splits: Sequence[str]) -> None:
    """Refuse a config of a plugin's data set whose folder is missing.

    A shipped config names a folder such as ``data/mine``, which few users have: they forgot
    ``--data``. Upstream's data sets report missing files themselves.

    Args:
        config: Its data loaders are read.
        splits: The splits to read, such as ``("train", "val")``.

    Raises:
        DataError: A folder is missing.
    """
    for key, loader in config.items():
        is_read = key.endswith("_dataloader") and key.partition("_")[0] in splits
        if not is_read or not isinstance(loader, dict):
            continue
        dataset = loader.get("dataset")
        if isinstance(dataset, dict):
            for place, leaf in iterate_leaves(dataset, f"{key}.dataset"):
                _check_root(leaf, place)


def _check_root(leaf: dict[str, Any], key: str) -> None:
    root = leaf.get("data_root")
    if not isinstance(root, str) or not root or "://" in root or os.path.isdir(root):
        return
    found = _find_dataset(leaf.get("type"))
    if found is None:
        return
    plugin, row = found
    message = f"cannot read the data: the config names the folder {root!r}, which does not exist."
    hint = "give your prepared folder: --data DIR"
    if row.prepare:
        hint += f" (zoo data prepare {plugin} writes one)"
    raise DataError(message, path=join_key(key, "data_root"), hint=f"{hint}.")


def _find_dataset(name: object) -> tuple[str, DatasetRow] | None:
    """Return the plugin and the row of a data set's type; None for types that no plugin has."""
    from zoo.catalog import read_catalog
    from zoo.manifest.rows import DatasetRow

    if not isinstance(name, str) or not name.startswith("zoo."):
        return None
    try:
        found = read_catalog().find("dataset", name)
    except ZooError:  # the check of types says so
        return None
    return (found.record.name, found.row) if isinstance(found.row, DatasetRow) else None
