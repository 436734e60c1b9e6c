# SPDX-License-Identifier: Apache-2.0
"""Boxes in a graph: moved by what a head predicts, and suppressed where they overlap.

Each operation is in the order of mmdet's and in float32, so that ties and thresholds agree.
"""

from __future__ import annotations

import math
from typing import Any

from zoo_onnx_export.graph import Graph
from zoo_onnx_export.resizing import Size

__all__ = ["decode_boxes", "limits", "sigmoid", "suppress"]

_WIDTH_RATIO = 16 / 1000  # the default of mmdet's DeltaXYWHBBoxCoder.decode


def limits(graph: Graph, size: Size) -> str:
    """Return width, height, width, height as ``(4,)`` float32.

    Args:
        graph: Where the nodes go.
        size: Of what the boxes must lie in.
    """
    sides = (size.width, size.height, size.width, size.height)
    return graph.as_type(graph.vector(*sides), "float32")


def sigmoid(graph: Graph, values: str) -> str:
    """Return the logistic function, as torch rounds it: near 1, equal scores are equal.

    Args:
        graph: Where the nodes go.
        values: Float32 of any shape.
    """
    one = graph.constant([1.0], "float32")
    total = graph("Add", graph("Exp", graph("Neg", values)), one)
    return graph("Reciprocal", total)


def decode_boxes(graph: Graph, boxes: str, deltas: str, coder: Any, most: str) -> str:
    """Return ``(K, 4)`` float32 boxes, xyxy, moved and scaled, and cut at the border.

    Args:
        graph: Where the nodes go.
        boxes: ``(K, 4)`` float32, xyxy.
        deltas: ``(K, 4)`` float32, what a head predicts for each of them.
        coder: A ``DeltaXYWHBBoxCoder`` that cuts at the border.
        most: `limits` of the image.

    Source:
        ``delta2bbox`` of mmdet 3.3.
    """
    first, last = graph.constant([0, 1], "int64"), graph.constant([2, 3], "int64")
    half, zero = graph.constant([0.5], "float32"), graph.constant([0.0], "float32")
    stds, means = (graph.constant(list(one), "float32") for one in (coder.stds, coder.means))
    moves = graph("Add", graph("Mul", deltas, stds), means)
    low, high = (graph("Gather", boxes, one, axis=1) for one in (first, last))
    extent = graph("Sub", high, low)
    centre = graph("Mul", graph("Add", low, high), half)
    shift = graph("Mul", extent, graph("Gather", moves, first, axis=1))
    centre = graph("Add", centre, shift)
    ratio = abs(math.log(_WIDTH_RATIO))
    growth = graph("Gather", moves, last, axis=1)
    growth = graph("Max", growth, graph.constant([-ratio], "float32"))
    growth = graph("Min", growth, graph.constant([ratio], "float32"))
    reach = graph("Mul", graph("Mul", extent, graph("Exp", growth)), half)
    corners = [graph(kind, centre, reach) for kind in ("Sub", "Add")]
    return graph("Min", graph("Max", graph("Concat", *corners, axis=1), zero), most)


def suppress(
    graph: Graph, boxes: str, scores: str, groups: str, *, threshold: float, most: int
) -> str:
    """Return ``(kept,)`` int64, the indices of boxes that no better one of its group overlaps.

    The best is first; of equal scores, the first. As ``batched_nms`` of mmcv, it moves each group
    beside the others, which rounds the corners.

    Args:
        graph: Where the nodes go.
        boxes: ``(K, 4)`` float32, xyxy, none below 0; K may be 0.
        scores: ``(K,)`` float32.
        groups: ``(K,)`` int64.
        threshold: A box goes when its IoU is above.
        most: How many are returned at most; 0 for all.
    """
    ends = graph("Reshape", boxes, graph.constant([-1], "int64"))
    ends = graph("Concat", ends, graph.constant([0.0], "float32"), axis=0)
    largest = graph("ReduceMax", ends, keepdims=1)
    stride = graph("Add", largest, graph.constant([1.0], "float32"))
    offsets = graph("Mul", graph.as_type(groups, "float32"), stride)
    moved = graph("Add", boxes, graph("Unsqueeze", offsets, graph.constant([1], "int64")))
    count = graph.constant([most], "int64") if most else graph("Shape", scores)
    kept = graph(
        "NonMaxSuppression",
        graph("Unsqueeze", moved, graph.constant([0], "int64")),
        graph("Unsqueeze", scores, graph.constant([0, 1], "int64")),
        count,
        graph.constant([threshold], "float32"),
    )
    return graph("Gather", kept, graph.constant(2, "int64"), axis=1)
