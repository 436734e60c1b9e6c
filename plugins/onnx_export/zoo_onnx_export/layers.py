# SPDX-License-Identifier: Apache-2.0
"""The first layer of a network whose output departs in ONNX."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper
from torch import Tensor

import zoo
from zoo_onnx_export.before import build_before
from zoo_onnx_export.images import Sample
from zoo_onnx_export.network import trace_network

__all__ = ["departing_layer", "first_departing", "watch_layers"]

_SCOPES = "pkg.torch.onnx.name_scopes"
_OWN = "model."  # the attribute of Network
_RELATIVE, _LEAST = 1e-3, 1e-4


def first_departing(model: zoo.Predictor, sample: Sample) -> str | None:
    """Return the first layer that departs on an image, as ``backbone.stem (Conv2d)``.

    The network is traced again, without folding, and what each of its layers returns is compared in
    the order of their calls; so it takes as long as an export.

    Args:
        model: The original.
        sample: The image.

    Returns:
        The path and the type of the layer, or None if every layer agrees.
    """
    module, before = model.model.module, build_before(model)
    name = model.model.name
    traced = trace_network(module, name, before.channels, before.fixed, optimize=False).model
    inputs, layers = _record(model, sample)
    found = departing_layer(traced, inputs, layers)
    return None if found is None else f"{found} ({type(module.get_submodule(found)).__name__})"


def departing_layer(traced: ModelProto, inputs: Tensor, layers: Mapping[str, Tensor]) -> str | None:
    """Return the path of the first layer that departs, or None.

    Args:
        traced: A network, without folding; it gets more outputs.
        inputs: Its input.
        layers: What the layers of the original returned, by their paths, in the order of calls.
    """
    outputs = _outputs(traced)
    told = [path for path in layers if path in outputs]
    found = _run(traced, inputs, [outputs[path] for path in told])
    for path, exported in zip(told, found, strict=True):
        if not _agrees(layers[path].numpy(), exported):
            return path
    return None


@contextmanager
def watch_layers(module: Any) -> Iterator[dict[str, Tensor]]:
    """Collect the output of each innermost layer as called last, by its path.

    Args:
        module: A model, which is called meanwhile.
    """
    found: dict[str, Tensor] = {}

    def hook(path: str) -> Any:
        def see(layer: Any, given: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                found.pop(path, None)
                found[path] = output.detach().clone()

        return see

    handles = [
        layer.register_forward_hook(hook(path))
        for path, layer in module.named_modules()
        if path and not any(layer.children())
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _record(model: zoo.Predictor, sample: Sample) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the input of the network, and the output of each innermost layer as called last."""
    module, inputs = model.model.module, list[Tensor]()
    encode_decode = module.encode_decode

    def see_input(given: Tensor, metas: Any) -> Any:
        inputs.append(given.detach().clone())
        return encode_decode(given, metas)

    module.encode_decode = see_input  # an attribute of the instance hides the method
    try:
        with watch_layers(module) as found:
            model.probabilities(sample.pixels)
    finally:
        del module.encode_decode
    return inputs[0], found


def _outputs(traced: ModelProto) -> Mapping[str, str]:
    """Return the last value of each layer of the original, by its path."""
    outputs: dict[str, str] = {}
    for node in traced.graph.node:
        notes = {entry.key: entry.value for entry in node.metadata_props}
        scopes = ast.literal_eval(notes.get(_SCOPES, "[]"))
        if len(scopes) > 1 and scopes[-2].startswith(_OWN) and node.op_type != "Constant":
            outputs[scopes[-2].removeprefix(_OWN)] = node.output[0]
    return outputs


def _run(traced: ModelProto, inputs: Tensor, names: list[str]) -> list[NDArray[Any]]:
    known = {value.name for value in traced.graph.output}
    for name in dict.fromkeys(names):
        if name not in known:
            traced.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # As it was traced: what onnxruntime fuses is not a layer any more.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        traced.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    with torch.no_grad():
        given = {traced.graph.input[0].name: inputs.numpy()}
    return list(session.run(names, given))


def _agrees(original: NDArray[Any], exported: NDArray[Any]) -> bool:
    if original.shape != exported.shape:
        return False
    if not np.issubdtype(original.dtype, np.floating):
        return True
    limit = _RELATIVE * float(np.abs(original).max(initial=0.0)) + _LEAST
    return bool(np.abs(original - exported).max(initial=0.0) <= limit)
