# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.coco.runs, by tools/runtime_copies.py.
"""Masks as compact run lengths, made with NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["rle_of_places", "spell_runs"]


def rle_of_places(places: NDArray[np.int64], height_px: int, width_px: int) -> dict[str, Any]:
    """Return the compact RLE of a mask: ``size`` and ``counts`` as text.

    Args:
        places: ``(N,)``, ascending: pixels of the mask, counted down the columns.
        height_px: Of the image.
        width_px: Of the image.

    Source:
        Columns first, background first, as pycocotools 2.0 stores masks.
    """
    import numpy as np

    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    starts = places[np.concatenate([[0], breaks])] if places.size else places
    ends = places[np.concatenate([breaks - 1, [-1]])] + 1 if places.size else places
    edges = np.stack([starts, ends], axis=1).ravel()
    total_px = height_px * width_px
    runs = np.diff(np.concatenate([[0], edges, [total_px]]))
    if places.size and ends[-1] == total_px:
        runs = runs[:-1]  # a mask that reaches the last pixel ends with its own run
    return {"size": [height_px, width_px], "counts": spell_runs(runs.tolist())}


def spell_runs(runs: Iterable[int]) -> str:
    """Return runs as text: five bits a letter, from the fourth run on as a difference.

    Args:
        runs: Lengths in px, down the columns, background first.

    Source: rleToString in maskApi.c of pycocotools, the inverse of what zoo.data.coco.masks reads.
    """
    letters = []
    kept: list[int] = []
    for run in runs:
        value = run - kept[-2] if len(kept) > 2 else run
        kept.append(run)
        while True:
            bits = value & 31
            value >>= 5
            is_last = value == (-1 if bits & 16 else 0)
            letters.append(chr(48 + bits + (0 if is_last else 32)))
            if is_last:
                break
    return "".join(letters)
