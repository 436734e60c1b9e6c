# SPDX-License-Identifier: Apache-2.0
"""The networks of a (Cascade) Mask R-CNN, each from tensors to tensors, as models of ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn

from zoo_onnx_export.before import Before
from zoo_onnx_export.instances.stages import stages_of
from zoo_onnx_export.network import TRACED_PX, trace

__all__ = ["Part", "count_maps", "trace_parts"]


class _Pyramid(nn.Module):
    """Backbone, neck and RPN head: the levels that boxes read, then scores and moves of anchors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.model.extract_feat(x)
        scores, moves = self.model.rpn_head(maps)
        return (*maps[: count_maps(self.model)], *scores, *moves)


class _Head(nn.Module):
    """A head on the pooled features of boxes."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


@dataclass(frozen=True, slots=True)
class Part:
    """A network of a model.

    Attributes:
        path: Of the module in the model whose layers it has; empty for the whole model.
        model: With one input.
    """

    path: str
    model: ModelProto


def count_maps(module: Any) -> int:
    """Return how many levels of the pyramid boxes are read from.

    Args:
        module: A Mask R-CNN.
    """
    roi = module.roi_head
    stages = (*stages_of(roi, "bbox"), *stages_of(roi, "mask"))
    return max(int(one.extractor.num_inputs) for one in stages)


def trace_parts(module: Any, name: str, before: Before, *, optimize: bool = True) -> Iterator[Part]:
    """Yield the pyramid, the box heads and the mask heads of a model, as they are called.

    Args:
        module: The model, as ``zoo.Predictor`` has it.
        name: Its name, for messages.
        before: From the image to the input of the network.
        optimize: Whether to fold and fuse nodes.

    Raises:
        ExportError: A part holds something that ONNX or torch.export cannot; it is named.
    """
    size = before.fixed or TRACED_PX
    example = torch.zeros(1, before.channels, *size)
    axes = () if before.fixed else (2, 3)
    yield Part("", trace(_Pyramid(module), example, axes, name, optimize=optimize)[0])
    roi = module.roi_head
    for stage in (*stages_of(roi, "bbox"), *stages_of(roi, "mask")):
        size = stage.extractor.roi_layers[0].output_size
        pooled = torch.zeros(3, stage.extractor.out_channels, *size)
        made = trace(_Head(stage.head), pooled, (0,), name, optimize=optimize)[0]
        yield Part(stage.path, made)
