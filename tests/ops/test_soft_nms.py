# SPDX-License-Identifier: Apache-2.0
"""Soft suppression and grouping, through mmcv's wrappers, against NumPy twins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.ops import nms_match, soft_nms

pytestmark = pytest.mark.mm

Array = np.ndarray[Any, Any]


def _draw(count: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 40, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 30, (count, 2))], 1)
    return boxes.astype(np.float32), rng.uniform(0, 1, count).astype(np.float32)


def _iou(a: Array, b: Array, offset: int) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(x[2] - x[0] + offset) * (x[3] - x[1] + offset) for x in (a, b)]
    return float(width * height / (sum(areas) - width * height))


def _soft_twin(
    boxes: Array, scores: Array, method: str, offset: int, min_score: float
) -> list[tuple[int, float]]:
    """One box against one other at a time: threshold 0.3, sigma 0.5."""
    left = {index: float(score) for index, score in enumerate(scores)}
    kept = []
    while left:
        best = max(left, key=lambda index: left[index])
        kept.append((best, left.pop(best)))
        for index in list(left):
            iou = _iou(boxes[best], boxes[index], offset)
            factors = {"naive": 0.0, "linear": 1 - iou, "gaussian": math.exp(-(iou**2) / 0.5)}
            if method == "gaussian" or iou >= 0.3:
                left[index] *= factors[method]
            if left[index] < min_score:
                del left[index]
    return kept


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
def test_soft_nms_when_boxes_are_random_equals_the_twin(method: str, offset: int) -> None:
    """Same boxes in the same order with the same lowered scores."""
    boxes, scores = _draw(40)

    dets, kept = soft_nms(boxes, scores, 0.3, 0.5, 0.05, method, offset)

    expected = _soft_twin(boxes, scores, method, offset, 0.05)
    assert kept.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(dets[:, 4], [score for _, score in expected], atol=1e-6)
    np.testing.assert_array_equal(dets[:, :4], boxes[kept])


def test_soft_nms_when_there_is_no_box_returns_nothing() -> None:
    """Empty in, empty out."""
    dets, kept = soft_nms(torch.empty(0, 4), torch.empty(0))

    assert dets.shape == (0, 5)
    assert kept.dtype == torch.int64


def test_nms_match_when_boxes_are_random_equals_the_twin() -> None:
    """Each box joins the first group, by score, whose first box it overlaps enough."""
    boxes, scores = _draw(40)

    groups = nms_match(np.concatenate([boxes, scores[:, None]], 1), 0.3)

    expected: list[list[int]] = []
    for index in np.argsort(-scores).tolist():
        for group in expected:
            if _iou(boxes[group[0]], boxes[index], 0) >= 0.3:
                group.append(index)
                break
        else:
            expected.append([index])
    assert [group.tolist() for group in groups] == expected
