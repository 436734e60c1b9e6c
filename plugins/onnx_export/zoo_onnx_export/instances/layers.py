# SPDX-License-Identifier: Apache-2.0
"""The first layer or part of an instance model whose output departs in ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper
from torch import Tensor

import zoo
from zoo_onnx_export.before import IMAGE, build_before
from zoo_onnx_export.images import Sample
from zoo_onnx_export.instances.building import build_instances
from zoo_onnx_export.instances.parts import trace_parts
from zoo_onnx_export.instances.stages import stages_of
from zoo_onnx_export.layers import departing_layer, watch_layers

__all__ = ["first_departing_part"]

_PIXELS, _PROPOSALS_PX = 1e-3, 0.01


@dataclass(slots=True)
class _Watched:
    """What a model saw and returned on its way."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    layers: dict[str, Tensor] = field(default_factory=dict)
    proposals: Tensor | None = None


def first_departing_part(model: zoo.Predictor, sample: Sample) -> str | None:
    """Return the first layer that departs on an image, or the nodes between two networks.

    Each network is traced again, without folding; so it takes as long as an export.

    Args:
        model: The original.
        sample: The image; of a large one, its last window is looked at.

    Returns:
        As ``backbone.stem (Conv2d)`` or ``the proposals (RPNHead)``; None if all of them agree.
    """
    module, name = model.model.module, model.model.name
    pixels = sample.pixels
    if model.tiling is not None:
        pixels = np.ascontiguousarray(pixels[: model.tiling.tile_px, : model.tiling.tile_px])
    with _watching(module) as seen:
        zoo.Predictor(model.model, score_thr=0.0, tiling=None)(pixels)
    stages = _stages(model, pixels)
    if not _is_near(seen.inputs[""], stages["pixels"], _PIXELS):
        return "the pre-processing (test_pipeline)"
    for part in trace_parts(module, name, build_before(model), optimize=False):
        if part.path not in seen.inputs:
            continue
        start = f"{part.path}." if part.path else ""
        layers = {
            path.removeprefix(start): value
            for path, value in seen.layers.items()
            if path.startswith(start)
        }
        found = departing_layer(part.model, seen.inputs[part.path], layers)
        if found is not None:
            path = start + found
            return f"{path} ({type(module.get_submodule(path)).__name__})"
        if not part.path and not _is_near(seen.proposals, stages["proposals"], _PROPOSALS_PX):
            return f"the proposals ({type(module.rpn_head).__name__})"
    return None


@contextmanager
def _watching(module: Any) -> Iterator[_Watched]:
    """Record the inputs of the networks, the outputs of their layers and the proposals."""
    seen = _Watched()

    def see_input(path: str) -> Any:
        def see(layer: Any, given: Any) -> None:
            seen.inputs[path] = given[0].detach().clone()

        return see

    predict = module.rpn_head.predict

    def see_proposals(*words: Any, **options: Any) -> Any:
        found = predict(*words, **options)
        seen.proposals = found[0].bboxes.detach().clone()
        return found

    roi = module.roi_head
    stages = (*stages_of(roi, "bbox"), *stages_of(roi, "mask"))
    networks = {"": module.backbone, **{one.path: one.head for one in stages}}
    handles = [one.register_forward_pre_hook(see_input(path)) for path, one in networks.items()]
    module.rpn_head.predict = see_proposals  # an attribute of the instance hides the method
    try:
        with watch_layers(module) as layers:
            seen.layers = layers
            yield seen
    finally:
        del module.rpn_head.predict
        for handle in handles:
            handle.remove()


def _stages(model: zoo.Predictor, pixels: Any) -> Mapping[str, Any]:
    """Return the values of the exported graph between its networks."""
    built = build_instances(model, model.model.name)
    names = {"pixels": built.pixels, "proposals": built.proposals}
    for value in names.values():
        built.model.graph.output.append(helper.make_empty_tensor_value_info(value))
    session = onnxruntime.InferenceSession(
        built.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(list(names.values()), {IMAGE: pixels[None]})
    return dict(zip(names, found, strict=True))


def _is_near(original: Tensor | None, exported: Any, limit: float) -> bool:
    if original is None or tuple(original.shape) != exported.shape:
        return False
    return bool(np.abs(original.numpy() - exported).max(initial=0.0) <= limit)
