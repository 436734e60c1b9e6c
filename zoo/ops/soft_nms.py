# SPDX-License-Identifier: Apache-2.0
"""Soft suppression and grouping of boxes, with the signatures of mmcv's kernels.

mmcv moves the boxes to the CPU for both. Each kept box is one step; the rest is compared at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.ops.nms import find_ious

__all__ = ["nms_match", "softnms"]

_NAIVE, _LINEAR, _GAUSSIAN = range(3)


@torch.no_grad()
def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Return the indices of the boxes in order of their lowered scores.

    Takes the best box, lowers the scores of those that overlap it, drops what falls below
    ``min_score``, and goes on with the rest. Of equal scores the earlier box comes first.

    Args:
        boxes: ``(K, 4)`` float, ``x1, y1, x2, y2`` in pixels.
        scores: ``(K,)`` float.
        dets: ``(K, 5)`` float; the first rows are overwritten with the kept boxes and scores.
        iou_threshold: Naive and linear methods change scores from this IoU on.
        sigma: Width of the gaussian method.
        min_score: Boxes below it go.
        method: 0 drops (naive), 1 scales by one minus IoU, 2 by ``exp(-IoU ** 2 / sigma)``.
        offset: 1 where ``x2`` and ``y2`` are the last pixels inside the box, else 0.

    Returns:
        ``(kept,)`` int64.

    Source:
        Bodla et al. 2017, arXiv:1704.04503; thresholds as in mmcv 2.1's ``nms.cpp``.
    """
    corners, scores = boxes.t().contiguous(), scores.clone()
    left = torch.arange(len(scores), device=scores.device)
    kept: list[Tensor] = []
    while len(left):
        best = left[scores[left].argmax()]
        dets[len(kept), :4] = boxes[best]
        dets[len(kept), 4] = scores[best]
        kept.append(best)
        left = left[left != best]
        ious = find_ious(corners[:, best, None], corners[:, left], offset)[0]
        scores[left] *= _weigh(ious, iou_threshold, sigma, method)
        left = left[~(scores[left] < min_score)]
    return torch.stack(kept) if kept else left


def _weigh(ious: Tensor, iou_threshold: float, sigma: float, method: int) -> Tensor:
    if method == _GAUSSIAN:
        return torch.exp(-(ious**2) / sigma)
    lowered = 1 - ious if method == _LINEAR else torch.zeros_like(ious)
    return lowered.where(ious >= iou_threshold, 1)


@torch.no_grad()
def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Return groups of indices: a kept box, then those that it strikes out, by score.

    A box joins the first group whose kept box it overlaps *at or above* the threshold.

    Args:
        dets: ``(K, 5)`` float, ``x1, y1, x2, y2`` in pixels and the score.
        iou_threshold: In ``[0, 1]``.

    Source:
        Order of operations as in mmcv 2.1's ``nms.cpp``.
    """
    corners = dets[:, :4].t().contiguous()
    left = dets[:, 4].argsort(descending=True, stable=True)
    groups = []
    while len(left):
        best, left = left[0], left[1:]
        joins = find_ious(corners[:, best, None], corners[:, left], 0)[0] >= iou_threshold
        groups.append([int(best), *left[joins].tolist()])
        left = left[~joins]
    return groups
