# SPDX-License-Identifier: Apache-2.0
"""From the scores of the network to labels and probabilities at the image's own size."""

from __future__ import annotations

from typing import Any

from zoo_onnx_export.before import Before
from zoo_onnx_export.graph import Graph

__all__ = ["LABELS", "PROBABILITIES", "build_after"]

LABELS = "labels"
"""Output: ``(N, H, W)`` uint8."""
PROBABILITIES = "probabilities"
"""Output: ``(N, classes, H, W)`` float32."""


def build_after(scores: str, channels: int, before: Before, module: Any) -> Graph:
    """Return the graph from scores to the outputs, as mmseg's ``postprocess_result``.

    Args:
        scores: ``(N, K, h, w)`` float32, the output of the network.
        channels: K; 1 means two classes and a threshold.
        before: What was done to the image.
        module: The model.
    """
    graph = Graph("after")
    if before.kept is not None:
        ends = graph.vector(before.kept.height, before.kept.width)
        begins, axes = graph.constant([0, 0], "int64"), graph.constant([2, 3], "int64")
        scores = graph("Slice", scores, begins, ends, axes)
    batch, maps = graph.dimension(scores, 0), graph.constant(channels, "int64")
    sizes = graph.vector(batch, maps, before.image.height, before.image.width)
    corners = "align_corners" if module.align_corners else "half_pixel"
    scores = graph(
        "Resize", scores, "", "", sizes, mode="linear", coordinate_transformation_mode=corners
    )
    if channels == 1:
        share = graph("Sigmoid", scores)
        threshold = graph.constant(float(module.decode_head.threshold), "float32")
        above = graph("Squeeze", graph("Greater", share, threshold), graph.constant([1], "int64"))
        labels = graph.as_type(above, "uint8")
        rest = graph("Sub", graph.constant(1.0, "float32"), share)
        probabilities = graph("Concat", rest, share, axis=1)
    else:
        labels = graph.as_type(graph("ArgMax", scores, axis=1, keepdims=0), "uint8")
        probabilities = graph("Softmax", scores, axis=1)
    graph.rename(labels, LABELS)
    graph.rename(probabilities, PROBABILITIES)
    return graph
