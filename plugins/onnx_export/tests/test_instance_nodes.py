# SPDX-License-Identifier: Apache-2.0
"""Suppression, pooling and decoding of boxes in a graph, against zoo's and mmdet's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import batched_nms, nms
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from zoo_onnx_export.graph import OPSET, Graph
from zoo_onnx_export.instances.boxes import decode_boxes, sigmoid, suppress
from zoo_onnx_export.instances.rois import pool_boxes, with_spare

pytestmark = pytest.mark.mm

SIDE = st.integers(0, 40).map(lambda side: side / 4)


def _run(
    build: Callable[[Graph], str], kind: int = TensorProto.FLOAT, **given: NDArray[Any]
) -> NDArray[Any]:
    """Return what a graph makes of arrays, by name."""
    graph = Graph("test")
    found = build(graph)
    inputs = [
        helper.make_tensor_value_info(name, numpy_helper.from_array(one).data_type, one.shape)
        for name, one in given.items()
    ]
    output = helper.make_tensor_value_info(found, kind, None)
    made = helper.make_graph(graph.nodes, "test", inputs, [output], graph.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (value,) = session.run(None, given)
    array: NDArray[Any] = value
    return array


@st.composite
def boxes_of(draw: st.DrawFn, least: int = 0) -> NDArray[np.float32]:
    """Return boxes on a grid, so that many touch, coincide, or have no area."""
    rows = draw(st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), min_size=least, max_size=12))
    found = np.array(rows, np.float32).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    return found


@settings(max_examples=30, deadline=None)
@given(boxes=boxes_of(), data=st.data(), threshold=st.sampled_from([0.0, 0.25, 0.5, 0.7]))
def test_suppression_keeps_what_zoos_own_keeps_in_its_order(
    boxes: NDArray[np.float32], data: st.DataObject, threshold: float
) -> None:
    """Also with equal scores, boxes without area, and none at all."""
    drawn = st.lists(st.integers(0, 4), min_size=len(boxes), max_size=len(boxes))
    scores = np.array(data.draw(drawn), np.float32) / 4
    groups = np.zeros(len(boxes), np.int64)

    found = _run(
        lambda graph: suppress(graph, "boxes", "scores", "groups", threshold=threshold, most=0),
        TensorProto.INT64,
        boxes=boxes,
        scores=scores,
        groups=groups,
    )

    _, expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("most", [0, 1, 25, 300])
def test_groups_do_not_suppress_each_other(most: int) -> None:
    """As mmcv's batched form, to its last bit, since both move the groups apart alike."""
    drawn = np.random.default_rng(most)
    boxes = drawn.uniform(0, 900, (400, 4)).astype(np.float32)
    boxes[:, 2:] = boxes[:, :2] + drawn.uniform(20, 300, (400, 2))
    scores, groups = drawn.random(400, np.float32), drawn.integers(0, 5, 400)

    found = _run(
        lambda graph: suppress(graph, "boxes", "scores", "groups", threshold=0.3, most=most),
        TensorProto.INT64,
        boxes=boxes,
        scores=scores,
        groups=groups,
    )

    tensors = (torch.from_numpy(one) for one in (boxes, scores, groups))
    _, expected = batched_nms(*tensors, {"type": "nms", "iou_threshold": 0.3})
    assert found.tolist() == expected[: most or None].tolist()


@settings(max_examples=25, deadline=None)
@given(
    boxes=boxes_of(),
    ratio=st.sampled_from([0, 1, 2, 3]),
    aligned=st.booleans(),
    levels=st.sampled_from([1, 3]),
)
def test_pooling_reads_what_zoos_own_reads(
    boxes: NDArray[np.float32], ratio: int, aligned: bool, levels: int
) -> None:
    """Each box from its level; beyond the border, without area, and the spare one alone."""
    layer = {"type": "RoIAlign", "output_size": 3, "sampling_ratio": ratio, "aligned": aligned}
    strides = [1, 2, 4][:levels]
    extractor = SingleRoIExtractor(layer, 2, strides, finest_scale=3)
    drawn = np.random.default_rng(len(boxes))
    maps = [drawn.normal(size=(1, 2, 17 // s, 13 // s)).astype(np.float32) for s in strides]

    found = _run(
        lambda graph: pool_boxes(
            graph, [f"map{s}" for s in strides], with_spare(graph, "boxes"), extractor
        ),
        boxes=boxes,
        **{f"map{s}": one for s, one in zip(strides, maps, strict=True)},
    )

    rois = np.pad(np.concatenate([boxes, np.zeros((1, 4), np.float32)]), ((0, 0), (1, 0)))
    with torch.no_grad():
        expected = extractor([torch.from_numpy(one) for one in maps], torch.from_numpy(rois))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_level_changes_where_mmdets_does() -> None:
    """At the boundary of each level and one rounding beside it."""
    layer = {"type": "RoIAlign", "output_size": 1, "sampling_ratio": 1}
    extractor = SingleRoIExtractor(layer, 1, [4, 8, 16, 32], finest_scale=56)
    sides = []
    for side in (112, 224, 448, 1, 0.5, 2000):
        near = [np.float32(side)]
        for _ in range(40):
            near.append(np.nextafter(near[-1], np.float32(0)))
        sides += near
    boxes = np.zeros((len(sides), 4), np.float32)
    boxes[:, 2:] = np.array(sides, np.float32)[:, None]
    maps = [np.full((1, 1, 600, 600), index, np.float32) for index in range(4)]

    found = _run(
        lambda graph: pool_boxes(graph, ["a", "b", "c", "d"], "boxes", extractor),
        boxes=boxes,
        **dict(zip("abcd", maps, strict=True)),
    )

    rois = torch.from_numpy(np.pad(boxes, ((0, 0), (1, 0))))
    expected = extractor.map_roi_levels(rois, 4)
    assert found.reshape(-1).tolist() == expected.tolist()


def test_boxes_are_decoded_as_mmdets() -> None:
    """Scales beyond the limit and places beyond the border among them."""
    drawn = np.random.default_rng(1)
    boxes = drawn.uniform(0, 200, (500, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    deltas = (drawn.normal(size=(500, 4)) * [2, 2, 9, 9]).astype(np.float32)
    coder = DeltaXYWHBBoxCoder([0.0, 0.1, 0.0, 0.0], [0.1, 0.1, 0.2, 0.5])
    most = np.array([300, 170, 300, 170], np.float32)

    found = _run(
        lambda graph: decode_boxes(graph, "boxes", "deltas", coder, "most"),
        boxes=boxes,
        deltas=deltas,
        most=most,
    )

    expected = coder.decode(torch.from_numpy(boxes), torch.from_numpy(deltas), max_shape=(170, 300))
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6, atol=1e-4)


def test_scores_near_one_are_as_equal_as_torchs() -> None:
    """A tie in torch is decided by the order of anchors, so it must be a tie in the graph."""
    logits = np.linspace(-30, 30, 200_001, dtype=np.float32)

    found = _run(lambda graph: sigmoid(graph, "logits"), logits=logits)

    expected = torch.from_numpy(logits).sigmoid().numpy()
    np.testing.assert_allclose(found, expected, rtol=3e-7)
    assert (found[logits > 4] != expected[logits > 4]).mean() < 2e-3
