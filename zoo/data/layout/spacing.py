# SPDX-License-Identifier: Apache-2.0
"""How far apart the pixels of a prepared picture lie, where its folder says so."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from zoo.data.layout.dataset_json import read_prepared
from zoo.errors import DataError

__all__ = ["find_spacing_mm"]


def find_spacing_mm(image: str | os.PathLike[str]) -> tuple[float, float] | None:
    """Return the spacing of a picture in ``images/`` of a prepared folder, from row to row first.

    Args:
        image: Any path; one that lies in no prepared folder, or in one that cannot be read, has
            no spacing.
    """
    path = Path(image).absolute()
    index = path.parent.with_name("dataset.json")
    if path.parent.name != "images":
        return None
    try:
        written_ns = index.stat().st_mtime_ns
    except OSError:
        return None
    return _spacings(index.parent, written_ns).get(path.name)


@functools.lru_cache(maxsize=4)
def _spacings(root: Path, written_ns: int) -> dict[str, tuple[float, float]]:
    """Return the spacing of each picture that has one, read once for each state of the folder."""
    try:
        files = read_prepared(root).files
    except DataError:  # predicting needs no whole folder
        return {}
    found = ((file.image_name, file.spacing_mm) for file in files)
    return {name: spacing for name, spacing in found if spacing is not None}
