# SPDX-License-Identifier: Apache-2.0
"""Look up the pixel spacing of a prepared image."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from zoo.data.layout.dataset_json import read_prepared
from zoo.errors import DataError

__all__ = ["find_spacing_mm"]


def find_spacing_mm(image: str | os.PathLike[str]) -> tuple[float, float] | None:
    """Return the pixel spacing (rows, columns) in mm of an image in a prepared folder, or None.

    Args:
        image: Any path; an image outside a readable prepared folder has no spacing.
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
    """Return all known spacings of a folder; cached until the folder changes."""
    try:
        files = read_prepared(root).files
    except DataError:  # prediction does not need a valid folder
        return {}
    found = ((file.image_name, file.spacing_mm) for file in files)
    return {name: spacing for name, spacing in found if spacing is not None}
