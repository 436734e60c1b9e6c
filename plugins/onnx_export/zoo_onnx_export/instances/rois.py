# SPDX-License-Identifier: Apache-2.0
"""Features of boxes in a graph: each box from the level of the pyramid that fits its size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper

from zoo_onnx_export.graph import Graph

__all__ = ["pool_boxes", "with_spare"]


def with_spare(graph: Graph, boxes: str) -> str:
    """Return boxes and an empty one behind them, so that a head never sees none.

    Args:
        graph: Where the nodes go.
        boxes: ``(K, 4)`` float32.
    """
    return graph("Concat", boxes, graph.constant([[0.0] * 4], "float32"), axis=0)


def pool_boxes(graph: Graph, maps: Sequence[str], boxes: str, extractor: Any) -> str:
    """Return ``(K, C, h, w)`` float32, the features of boxes, as mmdet's ``SingleRoIExtractor``.

    Args:
        graph: Where the nodes go.
        maps: ``(1, C, H, W)`` float32, the levels that it reads.
        boxes: ``(K, 4)`` float32, xyxy in px of the network's input; K is above 0.
        extractor: A ``SingleRoIExtractor`` of ``RoIAlign`` layers.
    """
    layers = list(extractor.roi_layers)
    if len(maps) == 1:
        return _align(graph, maps[0], boxes, layers[0])
    level = _levels(graph, boxes, extractor.finest_scale, len(maps))
    flat = graph.constant([-1], "int64")
    places, pooled = [], []
    for index, (one, layer) in enumerate(zip(maps, layers, strict=True)):
        is_here = graph("Equal", level, graph.constant(index, "int64"))
        place = graph("Reshape", graph("NonZero", is_here), flat)
        places.append(place)
        pooled.append(_align(graph, one, graph("Gather", boxes, place, axis=0), layer))
    order = graph("Concat", *places, axis=0)
    zero, step = graph.constant(0, "int64"), graph.constant(1, "int64")
    numbers = graph("Range", zero, graph.dimension(order, 0), step)
    back = graph("ScatterElements", order, order, numbers, axis=0)
    return graph("Gather", graph("Concat", *pooled, axis=0), back, axis=0)


def _align(graph: Graph, one: str, boxes: str, layer: Any) -> str:
    count = graph("Shape", boxes, start=0, end=1)
    nothing = helper.make_tensor("value", TensorProto.INT64, [1], [0])
    image = graph("ConstantOfShape", count, value=nothing)
    mode = "half_pixel" if layer.aligned else "output_half_pixel"
    height, width = layer.output_size
    return graph(
        "RoiAlign",
        one,
        boxes,
        image,
        mode="avg",
        coordinate_transformation_mode=mode,
        output_height=height,
        output_width=width,
        sampling_ratio=layer.sampling_ratio,
        spatial_scale=layer.spatial_scale,
    )


def _levels(graph: Graph, boxes: str, finest_px: float, count: int) -> str:
    """Return ``(K,)`` int64, the level of each box."""
    sides = [graph("Gather", boxes, graph.constant(one, "int64"), axis=1) for one in range(4)]
    area = graph("Mul", graph("Sub", sides[2], sides[0]), graph("Sub", sides[3], sides[1]))
    scale = graph("Sqrt", area)
    # Of a constant, onnxruntime multiplies by its inverse, which rounds twice.
    finest = graph("Expand", graph.constant([finest_px], "float32"), graph("Shape", scale))
    share = graph("Add", graph("Div", scale, finest), graph.constant([1e-6], "float32"))
    reached = [
        graph.as_type(graph("GreaterOrEqual", share, graph.constant([one], "float32")), "int64")
        for one in _thresholds(count)
    ]
    return reduce(lambda one, other: graph("Add", one, other), reached)


def _thresholds(count: int) -> list[float]:
    """Return the least float32 whose logarithm torch rounds to 1, 2, ... and not below."""
    found: list[float] = []
    for level in range(1, count):
        least = np.float32(2**level)
        while float(torch.log2(torch.tensor(np.nextafter(least, np.float32(0))))) >= level:
            least = np.nextafter(least, np.float32(0))
        found.append(float(least))
    return found
