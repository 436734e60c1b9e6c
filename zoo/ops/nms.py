# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression, with the signature of mmcv's kernel.

Boxes are settled in order of score, a block at a time: a block among its own, then its survivors
strike out what they overlap of the rest. Within both steps boxes are swept from left to right, and
compared, many with many, only where they can touch along x.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["find_ious", "nms"]

# Bounds the memory: a block of boxes that all overlap has 2 million pairs.
_BLOCK = 2048
_SWEEP = 128


@torch.no_grad()
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the indices of the boxes to keep, highest score first.

    A box goes when its IoU with a kept box of higher score is *above* the threshold. Of equal
    scores the earlier box wins. An IoU that is not a number (two boxes without area) keeps.

    Args:
        boxes: ``(K, 4)`` float, ``x1, y1, x2, y2`` in pixels.
        scores: ``(K,)`` float.
        iou_threshold: In ``[0, 1]``.
        offset: 1 where ``x2`` and ``y2`` are the last pixels inside the box, else 0.

    Returns:
        ``(kept,)`` int64 on the device of ``boxes``.

    Source:
        Order of operations as in mmcv 2.1's ``nms.cpp``, so that ties at the threshold agree.
    """
    order = scores.argsort(descending=True, stable=True)
    corners = boxes[order].to(torch.promote_types(boxes.dtype, torch.float32)).t().contiguous()
    kept = [order[:0]]
    while len(order):
        head, tail = corners[:, :_BLOCK], corners[:, _BLOCK:]
        survives = _settle(head, iou_threshold, offset)
        kept.append(order[:_BLOCK][survives])
        stays = torch.ones_like(order[_BLOCK:], dtype=torch.bool)
        for _, struck, overlaps in _sweep(head[:, survives], tail, iou_threshold, offset):
            stays[struck[overlaps.any(0)]] = False
        order, corners = order[_BLOCK:][stays], tail[:, stays]
    return torch.cat(kept)


def _settle(corners: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return ``(A,)`` bool: which survive when each strikes out those after it that it overlaps.

    Repeats "stays unless one that stays strikes it out" until nothing changes. After ``t`` rounds
    the first ``t`` are right, so it ends with the one answer of the sequential rule.
    """
    survives = torch.ones_like(corners[0], dtype=torch.bool)
    pairs = [torch.empty((0, 2), dtype=torch.int64, device=corners.device)]
    for rows, columns, overlaps in _sweep(corners, corners, iou_threshold, offset):
        row, column = overlaps.nonzero(as_tuple=True)
        pairs.append(torch.stack((rows[row], columns[column]), 1))
    striker, struck = torch.cat(pairs).aminmax(dim=1)
    apart = striker < struck
    striker, struck = striker[apart], struck[apart]
    while True:
        again = torch.ones_like(survives)
        again[struck[survives[striker]]] = False
        if torch.equal(again, survives):
            return survives
        survives = again


def _sweep(
    first: Tensor, second: Tensor, iou_threshold: float, offset: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield blocks of pairs that can touch: indices into both, and ``(A, B)`` bool, do they.

    Pairs that are not yielded do not overlap. Where both are one tensor, each pair comes once or
    twice, in either order.
    """
    if first.shape[1] == 0 or second.shape[1] == 0:
        return
    slack = offset + 1
    rows, columns = first[0].argsort(), second[0].argsort()
    left, right = first[:, rows], second[:, columns]
    starts = torch.arange(0, len(rows), _SWEEP, device=rows.device)
    reach = torch.stack([part.nan_to_num().max() for part in torch.split(left[2], _SWEEP)]) + slack
    ends = torch.searchsorted(right[0].contiguous(), reach, right=True)
    if first is second:
        begins = starts
    else:
        widest = (right[2] - right[0]).nan_to_num().max().clamp(min=0)
        begins = torch.searchsorted(right[0].contiguous(), left[0][starts] - widest - slack)
    for start, begin, end in torch.stack((starts, begins, ends), 1).tolist():
        row = slice(start, start + _SWEEP)
        column = slice(begin, max(begin, end))
        ious = find_ious(left[:, row], right[:, column], offset)
        yield rows[row], columns[column], ious > iou_threshold


def find_ious(first: Tensor, second: Tensor, offset: int) -> Tensor:
    """Return ``(A, B)``, the IoU of each of ``(4, A)`` corners with each of ``(4, B)``.

    Args:
        first: ``(4, A)``: left, top, right, bottom in px.
        second: ``(4, B)``.
        offset: 1 where right and bottom are the last pixel, as in mmcv 1; else 0.
    """
    left = torch.maximum(first[0, :, None], second[0])
    top = torch.maximum(first[1, :, None], second[1])
    width = torch.minimum(first[2, :, None], second[2]).sub_(left)
    height = torch.minimum(first[3, :, None], second[3]).sub_(top)
    if offset:
        width += offset
        height += offset
    shared = width.clamp_(min=0).mul_(height.clamp_(min=0))
    union = (_areas(first, offset)[:, None] + _areas(second, offset)).sub_(shared)
    return shared.div_(union)


def _areas(corners: Tensor, offset: int) -> Tensor:
    return (corners[2] - corners[0] + offset) * (corners[3] - corners[1] + offset)
