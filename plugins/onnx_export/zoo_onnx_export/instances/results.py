# SPDX-License-Identifier: Apache-2.0
"""From what the heads say of proposals to boxes, scores, labels and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from zoo_onnx_export.graph import Graph
from zoo_onnx_export.instances.boxes import decode_boxes, suppress

__all__ = [
    "BOXES",
    "LABELS",
    "MASKS",
    "SCORES",
    "Boxes",
    "choose_masks",
    "find_boxes",
    "mean",
    "refine_boxes",
]

BOXES, SCORES, LABELS, MASKS = "boxes", "scores", "labels", "masks"
"""Outputs: ``(K, 4)`` float32, ``(K,)`` float32, ``(K,)`` int64, and ``(K, h, w)`` float32."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Objects that were found.

    Attributes:
        boxes: ``(K, 4)`` float32, xyxy in px of the network's input.
        scores: ``(K,)`` float32, the best first.
        labels: ``(K,)`` int64.
    """

    boxes: str
    scores: str
    labels: str


def mean(graph: Graph, values: Sequence[str]) -> str:
    """Return the mean of values of one shape, added in their order.

    Args:
        graph: Where the nodes go.
        values: Float32, one or more.
    """
    total = reduce(lambda one, other: graph("Add", one, other), values)
    if len(values) == 1:
        return total
    return graph("Div", total, graph.constant([len(values)], "float32"))


def refine_boxes(graph: Graph, logits: str, moves: str, boxes: str, head: Any, most: str) -> str:
    """Return ``(K, 4)`` float32, boxes moved as for their likeliest class, as mmdet's ``BBoxHead``.

    Args:
        graph: Where the nodes go.
        logits: As of `find_boxes`.
        moves: As of `find_boxes`.
        boxes: ``(K, 4)`` float32.
        head: A ``BBoxHead`` of a stage before the last.
        most: `limits` of the image.
    """
    moves = _without_last(graph, moves, 0)
    if not head.reg_class_agnostic:
        of_classes = _without_last(graph, _without_last(graph, logits, 0), 1)
        likeliest = graph("ArgMax", of_classes, axis=1, keepdims=1)
        shape = graph.constant([-1, head.num_classes, 4], "int64")
        moves = graph("GatherND", graph("Reshape", moves, shape), likeliest, batch_dims=1)
    return decode_boxes(graph, boxes, moves, head.bbox_coder, most)


def find_boxes(
    graph: Graph,
    logits: str,
    moves: str,
    proposals: str,
    head: Any,
    settings: Any,
    most: str,
) -> Boxes:
    """Return the objects, as mmdet's ``BBoxHead``.

    Args:
        graph: Where the nodes go.
        logits: ``(K + 1, C + 1)`` float32: the last row is of the spare box, the last column of
            the background.
        moves: ``(K + 1, 4 C)`` float32, or ``(K + 1, 4)`` for all classes.
        proposals: ``(K, 4)`` float32.
        head: A ``BBoxHead``.
        settings: The ``test_cfg`` of the head for boxes.
        most: `limits` of the image.
    """
    flat, fours = graph.constant([-1], "int64"), graph.constant([-1, 4], "int64")
    count = graph.constant([1, head.num_classes, 1], "int64")
    shares = _without_last(graph, graph("Softmax", _without_last(graph, logits, 0), axis=-1), 1)
    scores = graph("Reshape", shares, flat)
    moves, axis = _without_last(graph, moves, 0), graph.constant([1], "int64")
    if head.reg_class_agnostic:
        boxes = decode_boxes(graph, proposals, moves, head.bbox_coder, most)
        boxes = graph("Tile", graph("Unsqueeze", boxes, axis), count)
        boxes = graph("Reshape", boxes, fours)
    else:
        rois = graph("Reshape", graph("Tile", graph("Unsqueeze", proposals, axis), count), fours)
        moves = graph("Reshape", moves, fours)
        boxes = decode_boxes(graph, rois, moves, head.bbox_coder, most)
    number = graph("Shape", proposals, start=0, end=1)
    labels = graph("Tile", graph.constant(list(range(head.num_classes)), "int64"), number)
    is_sure = graph("Greater", scores, graph.constant([settings.score_thr], "float32"))
    kept = graph("Reshape", graph("NonZero", is_sure), flat)
    boxes, scores, labels = (graph("Gather", one, kept) for one in (boxes, scores, labels))
    kept = suppress(
        graph,
        boxes,
        scores,
        labels,
        threshold=settings.nms.iou_threshold,
        most=max(0, settings.max_per_img),
    )
    return Boxes(*(graph("Gather", one, kept) for one in (boxes, scores, labels)))


def choose_masks(graph: Graph, logits: str, labels: str, head: Any) -> str:
    """Return ``(K, h, w)`` float32, the probabilities of the mask of each object's class.

    Args:
        graph: Where the nodes go.
        logits: ``(K + 1, C, h, w)`` float32, or one map for all classes; the last row is of the
            spare box.
        labels: ``(K,)`` int64.
        head: An ``FCNMaskHead``.
    """
    if head.class_agnostic:
        chosen = graph("Gather", logits, graph.constant(0, "int64"), axis=1)
    else:
        whole = graph("Concat", labels, graph.constant([0], "int64"), axis=0)
        places = graph("Unsqueeze", whole, graph.constant([1], "int64"))
        chosen = graph("GatherND", logits, places, batch_dims=1)
    return graph("Sigmoid", _without_last(graph, chosen, 0))


def _without_last(graph: Graph, values: str, axis: int) -> str:
    begin, end, along = (graph.constant([one], "int64") for one in (0, -1, axis))
    return graph("Slice", values, begin, end, along)
