# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.overlaps, by tools/runtime_copies.py.
"""Find which regions of a scene share pixels, and how many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo_runtime.copied.scenes.roi_mask import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Overlaps", "find_overlaps"]

Overlaps = list[dict[int, float]]

_MOST_COMPARED = 2**20  # pairs of boxes at a time, to limit memory


def find_overlaps(regions: Sequence[Region], class_ids: Sequence[int]) -> Overlaps:
    """Return, for each region, the others of its class that share pixels with it, and how many.

    Args:
        regions: All of one kind, masks or boxes.
        class_ids: Their classes.

    Returns:
        One dict per region: index of another region -> shared px, above 0.
    """
    overlaps: Overlaps = [{} for _ in regions]
    for one, other in _pairs_of_boxes(regions, np.asarray(class_ids)):
        shared_px = regions[one].shared_with(regions[other])
        if shared_px > 0:
            overlaps[one][other] = overlaps[other][one] = shared_px
    return overlaps


def _pairs_of_boxes(
    regions: Sequence[Region], class_ids: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Yield the indices of each two regions of a class whose boxes overlap, once."""
    boxes = np.array([region.box for region in regions], np.float64).reshape(-1, 4)
    order = np.lexsort((np.arange(len(boxes)), boxes[:, 0]))
    lefts = boxes[order, 0]
    # Sorted by left side, a box can only overlap those that begin before it ends.
    ends = np.searchsorted(lefts, boxes[order, 2], side="left")
    counts = np.maximum(ends - np.arange(len(boxes)) - 1, 0)
    start = 0
    while start < len(order):
        total = np.cumsum(counts[start:])
        stop = start + max(1, int(np.searchsorted(total, _MOST_COMPARED, side="right")))
        rows = np.repeat(np.arange(start, stop), counts[start:stop])
        before = np.repeat(np.cumsum(counts[start:stop]) - counts[start:stop], counts[start:stop])
        columns = rows + 1 + np.arange(len(rows)) - before
        one, other = order[rows], order[columns]
        is_near = (boxes[one, 1] < boxes[other, 3]) & (boxes[other, 1] < boxes[one, 3])
        is_near &= class_ids[one] == class_ids[other]
        yield from zip(one[is_near].tolist(), other[is_near].tolist(), strict=True)
        start = stop
