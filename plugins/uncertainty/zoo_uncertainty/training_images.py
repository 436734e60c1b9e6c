# SPDX-License-Identifier: Apache-2.0
"""The images that a run was trained on, found by its config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from zoo.data import read_picture, read_prepared
from zoo.errors import ZooError
from zoo_uncertainty.appearance import Appearances, describe

__all__ = ["find_training_images"]

_MOST = 500  # evenly spaced: reading more takes minutes


def find_training_images(
    spec: str, progress: Callable[[int, int], None] | None = None
) -> Appearances | None:
    """Return the appearances of a run's training images, or None if they are not to be found.

    Args:
        spec: A work dir; of other models nobody knows where their training images are.
        progress: Called with images done and images in total.

    Raises:
        DataError: One of the images is damaged.
    """
    if not Path(spec).is_dir():
        return None
    try:
        root = _find_root(zoo.read_run(spec).config.get("train_dataloader"))
        prepared = None if root is None else read_prepared(Path(root))
    except ZooError:  # no log, or the folder has moved
        return None
    if prepared is None or prepared.task != "semantic":
        return None
    rows = [row for row in prepared.files if row.split == "train"]
    rows = [rows[i * len(rows) // min(_MOST, len(rows))] for i in range(min(_MOST, len(rows)))]
    if not rows:
        return None
    described = []
    for done, row in enumerate(rows, start=1):
        described.append(describe(read_picture(prepared.image_path(row.stem))))
        if progress is not None:
            progress(done, len(rows))
    return Appearances.of(np.stack(described), [row.group for row in rows])


def _find_root(value: Any) -> str | None:
    """Return the first ``data_root`` of a loader, within wrappers of data sets too."""
    for _ in range(8):
        if not isinstance(value, Mapping):
            return None
        if isinstance(value.get("data_root"), str) and value["data_root"]:
            return str(value["data_root"])
        inner = value.get("dataset") or value.get("datasets")
        value = inner[0] if isinstance(inner, list) and inner else inner
    return None
