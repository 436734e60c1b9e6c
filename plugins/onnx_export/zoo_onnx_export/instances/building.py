# SPDX-License-Identifier: Apache-2.0
"""A (Cascade) Mask R-CNN as one model of ONNX: an image in, the objects in it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onnx import GraphProto, ModelProto, TensorProto

from zoo_onnx_export.assembly import as_part, finish, value_info
from zoo_onnx_export.before import IMAGE, Before, build_before
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.graph import Graph
from zoo_onnx_export.instances.boxes import limits
from zoo_onnx_export.instances.detector import check_detector
from zoo_onnx_export.instances.parts import trace_parts
from zoo_onnx_export.instances.proposals import find_proposals
from zoo_onnx_export.instances.results import (
    BOXES,
    LABELS,
    MASKS,
    SCORES,
    choose_masks,
    find_boxes,
    mean,
    refine_boxes,
)
from zoo_onnx_export.instances.rois import pool_boxes, with_spare
from zoo_onnx_export.instances.stages import Stage, stages_of
from zoo_onnx_export.resizing import Size

__all__ = ["Built", "build_instances"]


@dataclass(frozen=True, slots=True)
class Built:
    """A model of ONNX with the names of values on its way.

    Attributes:
        model: The model.
        pixels: The input of the network.
        proposals: ``(K, 4)`` float32, in px of that input.
    """

    model: ModelProto
    pixels: str
    proposals: str


def build_instances(predictor: Any, name: str) -> Built:
    """Return the whole model; equal ones give equal bytes.

    Args:
        predictor: A ``zoo.Predictor`` of an instance model.
        name: Its name, for messages.

    Raises:
        ExportError: A part of it cannot be exported; it is named.
    """
    module = predictor.model.module
    check_detector(module, name)
    before = build_before(predictor)
    if before.resizing is None:
        message = f"cannot export {name!r}: its test pipeline has no Resize, of which mmdet takes "
        message += "the scale of its results."
        hint = "add dict(type='Resize', scale_factor=1.0, keep_ratio=True) to it."
        raise ExportError(message, where="test_pipeline", hint=hint)
    traced = [
        as_part(one.model, f"{one.path.removeprefix('roi_head.') or 'pyramid'}_")
        for one in trace_parts(module, name, before)
    ]
    graph = Graph("instances")
    proposals = _connect(graph, before, traced, module, _scale(before, *before.resizing))
    outputs = [
        value_info(BOXES, TensorProto.FLOAT, "objects", 4),
        value_info(SCORES, TensorProto.FLOAT, "objects"),
        value_info(LABELS, TensorProto.INT64, "objects"),
        value_info(MASKS, TensorProto.FLOAT, "objects", "rows", "columns"),
    ]
    image = value_info(IMAGE, TensorProto.UINT8, 1, "height", "width", 3)
    nodes = [*before.graph.nodes, *graph.nodes]
    constants = [*before.graph.constants, *graph.constants]
    return Built(finish(nodes, constants, image, outputs, name), before.pixels, proposals)


def _scale(before: Before, old: Size, new: Size) -> str:
    """Return ``(4,)`` float32: by what mmdet divides the sides of boxes."""
    graph = before.graph
    pairs = ((new.width, old.width), (new.height, old.height))
    axes = graph.constant([0], "int64")
    sides = [graph("Unsqueeze", graph.ratio(*pair), axes) for pair in pairs]
    return graph.as_type(graph("Concat", *sides, *sides, axis=0), "float32")


def _connect(graph: Graph, before: Before, parts: list[GraphProto], module: Any, scale: str) -> str:
    """Join the networks by nodes, name the outputs, and return the proposals."""
    pyramid, *heads = parts
    roi, anchors = module.roi_head, len(module.rpn_head.prior_generator.strides)
    most = limits(graph, before.kept or before.size)
    levels = graph.include(pyramid, [before.pixels])
    maps, scores, moves = levels[: -2 * anchors], levels[-2 * anchors : -anchors], levels[-anchors:]
    proposals = find_proposals(graph, scores, moves, module.rpn_head, most)
    box_stages, mask_stages = stages_of(roi, "bbox"), stages_of(roi, "mask")
    parts_of_boxes, parts_of_masks = heads[: len(box_stages)], heads[len(box_stages) :]
    rois, logits = proposals, list[str]()
    for index, (part, stage) in enumerate(zip(parts_of_boxes, box_stages, strict=True)):
        said, shifts = graph.include(part, [_pool(graph, maps, rois, stage)])
        logits.append(said)
        if index < len(box_stages) - 1:
            rois = refine_boxes(graph, said, shifts, rois, stage.head, most)
    head = box_stages[-1].head
    found = find_boxes(graph, mean(graph, logits), shifts, rois, head, roi.test_cfg, most)
    chosen = []
    for part, stage in zip(parts_of_masks, mask_stages, strict=True):
        (said,) = graph.include(part, [_pool(graph, maps, found.boxes, stage)])
        chosen.append(choose_masks(graph, said, found.labels, stage.head))
    masks = mean(graph, chosen)
    boxes = graph("Div", found.boxes, scale)
    named = ((boxes, BOXES), (found.scores, SCORES), (found.labels, LABELS), (masks, MASKS))
    for value, output in named:
        graph.rename(value, output)
    return proposals


def _pool(graph: Graph, maps: list[str], boxes: str, stage: Stage) -> str:
    """Return what a head sees of boxes and of a spare one behind them."""
    extractor = stage.extractor
    return pool_boxes(graph, maps[: extractor.num_inputs], with_spare(graph, boxes), extractor)
