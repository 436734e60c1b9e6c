# SPDX-License-Identifier: Apache-2.0
"""The training images of the folders that a config names, as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from zoo.data import SPLITS, read_prepared
from zoo.errors import ZooError

__all__ = ["digests_of_config"]


def digests_of_config(config: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the sha256 of every image that a config trains on, and of its source.

    Args:
        config: The whole config. If it notes the digest of the folder that a run was trained on
            (``zoo_data_digest``), only that folder counts.

    Returns:
        64 hex digits each; None if one of its folders is not there, was not prepared, or was
        prepared anew since the run.
    """
    noted, found = config.get("zoo_data_digest"), set[str]()
    leaves = list(_leaves((config.get("train_dataloader") or {}).get("dataset")))
    for leaf in leaves:
        root = leaf.get("data_root")
        try:
            prepared = read_prepared(Path(root)) if isinstance(root, str) and root else None
        except ZooError:  # it has moved, or was not prepared
            return None
        if prepared is None or (noted and prepared.digest != noted):
            return None
        split = PurePath(str(leaf.get("ann_file") or "")).stem
        found.update(
            digest
            for row in prepared.files
            if split not in SPLITS or row.split == split  # without a list, it reads every image
            for digest in (row.image_sha256, row.source_sha256)
        )
    return frozenset(found) if leaves else None


def _leaves(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the data sets within wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""
    if not isinstance(dataset, Mapping):
        return
    inner = dataset.get("datasets") or dataset.get("dataset")
    if not inner:
        yield dataset
    for each in inner if isinstance(inner, (list, tuple)) else [inner]:
        yield from _leaves(each)
