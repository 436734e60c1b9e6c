# SPDX-License-Identifier: Apache-2.0
"""The images that a run was trained on, found by its config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import zoo
from zoo.data import Picture, read_prepared
from zoo.errors import ZooError
from zoo_uncertainty.appearance import Appearances, describe

__all__ = ["find_training_images"]

_MOST = 500  # evenly spaced: reading more takes minutes


def find_training_images(
    spec: str,
    read: Callable[[Path], Picture],
    progress: Callable[[int, int], None] | None = None,
) -> Appearances | None:
    """Return the appearances of a run's training images, or None if they are not to be found.

    Args:
        spec: A work dir; of other models nobody knows where their training images are.
        read: Returns an image as the model reads it.
        progress: Called with images done and images in total.

    Raises:
        DataError: One of the images is damaged.
    """
    if not Path(spec).is_dir():
        return None
    try:
        root = zoo.read_run(spec).data_root("train")
        prepared = None if root is None else read_prepared(root)
    except ZooError:  # no log, or the folder has moved
        return None
    if prepared is None or prepared.task != "semantic" or prepared.bands is not None:
        return None  # bands are no pictures, whose appearance could be compared
    rows = [row for row in prepared.files if row.split == "train"]
    rows = [rows[i * len(rows) // min(_MOST, len(rows))] for i in range(min(_MOST, len(rows)))]
    if not rows:
        return None
    described = []
    for done, row in enumerate(rows, start=1):
        described.append(describe(read(prepared.image_path(row.stem))))
        if progress is not None:
            progress(done, len(rows))
    return Appearances.of(np.stack(described), [row.group for row in rows])
