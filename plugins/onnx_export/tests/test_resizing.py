# SPDX-License-Identifier: Apache-2.0
"""The resizing of a graph against OpenCV's own, over sizes, kinds and types."""

from __future__ import annotations

from itertools import product
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from zoo_onnx_export.graph import OPSET, Graph
from zoo_onnx_export.resizing import Size, resize

KINDS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}
SIZES = [
    *((1, 1), (1, 9), (7, 3), (31, 47), (48, 64), (64, 48), (96, 144), (100, 33), (129, 257)),
    *((192, 96), (24, 640), (96, 72), (63, 96)),
]
TARGETS = [(1, 1), (24, 32), (48, 48), (97, 61), (96, 24), (75, 56)]


def _session(kind: str, *, is_float: bool) -> ort.InferenceSession:
    """Return a graph that resizes ``image`` to ``size``."""
    graph = Graph("test")
    after = Size(*(graph("Gather", "size", graph.constant(axis, "int64")) for axis in (0, 1)))
    before = Size(graph.dimension("image", 1), graph.dimension("image", 2))
    out = resize(graph, "image", before, after, kind=kind, is_float=is_float)
    pixel = TensorProto.FLOAT if is_float else TensorProto.UINT8
    inputs = [
        helper.make_tensor_value_info("image", pixel, ["n", "h", "w", "c"]),
        helper.make_tensor_value_info("size", TensorProto.INT64, [2]),
    ]
    outputs = [helper.make_tensor_value_info(out, pixel, None)]
    made = helper.make_graph(graph.nodes, "test", inputs, outputs, graph.constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(made, opset_imports=[opset], ir_version=9)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _pairs(kind: str, dtype: str) -> list[tuple[Any, NDArray[Any], NDArray[Any]]]:
    session, drawn = _session(kind, is_float=dtype == "float32"), np.random.default_rng(3)
    pairs = []
    for old, new in product(SIZES, TARGETS):
        image = drawn.integers(0, 256, (*old, 3)).astype(dtype)
        (found,) = session.run(None, {"image": image[None], "size": np.array(new)})
        expected = cv2.resize(image, new[::-1], interpolation=KINDS[kind])
        pairs.append(((old, new), found[0], expected))
    return pairs


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_resized_to_the_bit(kind: str) -> None:
    """Every size to every size; the mean over an area may be rounded otherwise at a half."""
    for sizes, found, expected in _pairs(kind, "uint8"):
        differing = found != expected
        if kind == "area":
            assert differing.mean() < 1e-2, sizes
            assert np.abs(found.astype(int) - expected).max() <= 1, sizes
        else:
            assert not differing.any(), sizes


@pytest.mark.parametrize("kind", KINDS)
def test_floats_are_resized_to_rounding(kind: str) -> None:
    """A pipeline with ``to_float32`` resizes floats, without rounding to integers."""
    for sizes, found, expected in _pairs(kind, "float32"):
        np.testing.assert_allclose(found, expected, atol=2e-4, err_msg=str(sizes))
