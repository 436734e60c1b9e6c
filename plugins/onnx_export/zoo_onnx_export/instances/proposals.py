# SPDX-License-Identifier: Apache-2.0
"""From the scores and moves of anchors to the boxes that may hold an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo_onnx_export.graph import Graph
from zoo_onnx_export.instances.boxes import decode_boxes, sigmoid, suppress

__all__ = ["find_proposals"]


def find_proposals(
    graph: Graph, scores: Sequence[str], moves: Sequence[str], head: Any, most: str
) -> str:
    """Return ``(K, 4)`` float32, xyxy in px of the network's input, as mmdet's ``RPNHead``.

    Args:
        graph: Where the nodes go.
        scores: By level, ``(1, A, H, W)`` float32 for A anchors at each place.
        moves: By level, ``(1, 4 A, H, W)`` float32.
        head: An ``RPNHead`` with its ``test_cfg``.
        most: `limits` of the image.
    """
    settings = head.test_cfg
    levels = [
        _best(graph, one, other, head, index)
        for index, (one, other) in enumerate(zip(scores, moves, strict=True))
    ]
    shares, anchors, deltas, groups = (
        graph("Concat", *parts, axis=0) for parts in zip(*levels, strict=True)
    )
    boxes = decode_boxes(graph, anchors, deltas, head.bbox_coder, most)
    least_px = settings.get("min_bbox_size", -1)
    if least_px >= 0:
        kept = _larger(graph, boxes, least_px)
        boxes, shares, groups = (graph("Gather", one, kept) for one in (boxes, shares, groups))
    kept = suppress(
        graph,
        boxes,
        shares,
        groups,
        threshold=settings.nms.iou_threshold,
        most=settings.max_per_img,
    )
    return graph("Gather", boxes, kept, axis=0)


def _best(graph: Graph, score: str, move: str, head: Any, level: int) -> tuple[str, ...]:
    """Return scores, anchors, moves and the level of the best anchors of a level."""
    flat = graph("Reshape", graph("Transpose", score, perm=[0, 2, 3, 1]), _shape(graph, -1))
    shares, count = sigmoid(graph, flat), graph("Shape", flat)
    limit = head.test_cfg.get("nms_pre", -1)
    if limit > 0:
        count = graph("Min", count, graph.constant([limit], "int64"))
    shares, places = graph.several(2, "TopK", shares, count, axis=0)
    deltas = graph("Reshape", graph("Transpose", move, perm=[0, 2, 3, 1]), _shape(graph, -1, 4))
    deltas = graph("Gather", deltas, places, axis=0)
    anchors = _anchors(graph, places, graph.dimension(score, 3), head.prior_generator, level)
    group = graph("Expand", graph.constant([level], "int64"), count)
    return shares, anchors, deltas, group


def _anchors(graph: Graph, places: str, width: str, generator: Any, level: int) -> str:
    """Return the anchors at places of a level, numbered by row, column and kind."""
    kinds = generator.base_anchors[level].tolist()
    count = graph.constant(len(kinds), "int64")
    kind, cell = graph("Mod", places, count), graph("Div", places, count)
    steps = [
        graph("Mul", graph.as_type(one, "float32"), graph.constant([float(stride)], "float32"))
        for one, stride in zip(
            (graph("Mod", cell, width), graph("Div", cell, width)),
            generator.strides[level],
            strict=True,
        )
    ]
    axis = graph.constant([1], "int64")
    columns = [graph("Unsqueeze", one, axis) for one in (*steps, *steps)]
    shift = graph("Concat", *columns, axis=1)
    return graph("Add", graph("Gather", graph.constant(kinds, "float32"), kind, axis=0), shift)


def _larger(graph: Graph, boxes: str, least_px: float) -> str:
    """Return the indices of boxes both of whose sides exceed a length."""
    first, last = graph.constant([0, 1], "int64"), graph.constant([2, 3], "int64")
    low, high = (graph("Gather", boxes, one, axis=1) for one in (first, last))
    is_large = graph("Greater", graph("Sub", high, low), graph.constant([least_px], "float32"))
    sides = [graph("Gather", is_large, graph.constant(one, "int64"), axis=1) for one in (0, 1)]
    return graph("Reshape", graph("NonZero", graph("And", *sides)), _shape(graph, -1))


def _shape(graph: Graph, *lengths: int) -> str:
    return graph.constant(list(lengths), "int64")
