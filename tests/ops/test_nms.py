# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression against a sequential NumPy twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.ops import nms as nms_module
from zoo.ops.nms import nms

pytestmark = pytest.mark.mm


def _twin(
    boxes: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], thr: float, offset: int
) -> list[int]:
    """Sequential rule, one pair at a time, in float32."""
    order = np.argsort(-scores, kind="stable")
    off = np.float32(offset)
    kept: list[int] = []
    with np.errstate(all="ignore"):
        for j in order:
            for i in kept:
                width = max(
                    np.float32(0),
                    min(boxes[i][2], boxes[j][2]) - max(boxes[i][0], boxes[j][0]) + off,
                )
                height = max(
                    np.float32(0),
                    min(boxes[i][3], boxes[j][3]) - max(boxes[i][1], boxes[j][1]) + off,
                )
                shared = width * height
                areas = [(b[2] - b[0] + off) * (b[3] - b[1] + off) for b in (boxes[i], boxes[j])]
                if shared / (areas[0] + areas[1] - shared) > np.float32(thr):
                    break
            else:
                kept.append(int(j))
    return kept


def _draw(
    seed: int, count: int, span_px: float = 40
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, span_px, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(1, 30, (count, 2))], 1).astype(np.float32)
    return boxes, rng.uniform(0, 1, count).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("thr", [0.0, 0.3, 0.7, 1.0])
def test_nms_when_boxes_are_random_equals_the_twin(thr: float, offset: int) -> None:
    """Same boxes in the same order as one pair at a time."""
    boxes, scores = _draw(0, 120)

    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), thr, offset)

    assert kept.tolist() == _twin(boxes, scores, thr, offset)


@given(
    corners=st.lists(st.tuples(*[st.integers(-3, 12)] * 4), min_size=0, max_size=14),
    levels=st.lists(st.integers(0, 3), min_size=14, max_size=14),
    thr=st.sampled_from([0.0, 0.25, 0.5, 1 / 3]),
    offset=st.sampled_from([0, 1]),
)
@settings(max_examples=150, deadline=None)
def test_nms_when_boxes_touch_tie_or_are_turned_over_equals_the_twin(
    corners: list[tuple[int, ...]], levels: list[int], thr: float, offset: int
) -> None:
    """Whole numbers bring equal scores, IoUs at the threshold, no area and negative sizes."""
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    scores = np.array(levels[: len(boxes)], np.float32)

    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), thr, offset)

    assert kept.tolist() == _twin(boxes, scores, thr, offset)


def test_nms_when_there_are_more_boxes_than_a_block_equals_the_twin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks by score and blocks from left to right change nothing."""
    boxes, scores = _draw(1, 90)
    monkeypatch.setattr(nms_module, "_BLOCK", 16)
    monkeypatch.setattr(nms_module, "_SWEEP", 5)

    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.2, 0)

    assert kept.tolist() == _twin(boxes, scores, 0.2, 0)


def test_nms_when_each_box_strikes_the_next_keeps_every_other() -> None:
    """A chain takes as many rounds as it has links."""
    left = torch.arange(50) * 4.0
    boxes = torch.stack((left, torch.zeros(50), left + 10, torch.ones(50)), 1)

    kept = nms(boxes, -left, 0.4, 0)

    assert kept.tolist() == list(range(0, 50, 2))


def test_nms_when_there_is_no_box_returns_none_of_int64() -> None:
    """Empty in, empty out."""
    kept = nms(torch.empty(0, 4), torch.empty(0), 0.5, 0)

    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


def test_nms_when_a_box_is_not_a_number_keeps_it_and_all_it_does_not_overlap() -> None:
    """A diverged model's boxes neither crash nor hide others."""
    boxes = torch.tensor([[0.0, 0, 9, 9], [np.nan] * 4, [0, 0, np.inf, 9], [0, 0, 9, 8]])

    kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5, 0)

    assert kept.tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_nms_when_dtype_differs_keeps_the_same(dtype: str) -> None:
    """Whole-number boxes are exact in every dtype; half precision is compared in float32."""
    boxes, scores = _draw(2, 40)
    boxes = np.rint(boxes)

    kept = nms(torch.from_numpy(boxes).to(getattr(torch, dtype)), torch.from_numpy(scores), 0.3, 0)

    assert kept.tolist() == _twin(boxes, scores, 0.3, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_nms_when_on_a_gpu_equals_the_cpu() -> None:
    """Any device."""
    boxes, scores = (torch.from_numpy(a) for a in _draw(3, 3000, 400))

    kept = nms(boxes.cuda(), scores.cuda(), 0.5, 0)

    assert kept.is_cuda
    assert kept.tolist() == nms(boxes, scores, 0.5, 0).tolist()


def test_mmcv_batched_nms_when_classes_differ_keeps_both() -> None:
    """The whole way through mmcv's wrapper, as mmdet's heads go."""
    from mmcv.ops import batched_nms

    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)

    dets, kept = batched_nms(
        boxes,
        torch.tensor([0.5, 0.9, 0.7]),
        torch.tensor([0, 0, 1]),
        {"type": "nms", "iou_threshold": 0.5},
    )

    assert kept.tolist() == [1, 2]
    assert dets[:, 4].tolist() == pytest.approx([0.9, 0.7])
