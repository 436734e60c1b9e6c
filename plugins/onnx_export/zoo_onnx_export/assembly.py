# SPDX-License-Identifier: Apache-2.0
"""Pre-processing, network and post-processing as one model of ONNX."""

from __future__ import annotations

from typing import Any

from onnx import GraphProto, ModelProto, TensorProto, checker, compose, helper, inliner

from zoo_onnx_export.after import LABELS, PROBABILITIES, build_after
from zoo_onnx_export.before import IMAGE, Before
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.graph import OPSET
from zoo_onnx_export.network import Traced

__all__ = ["assemble"]

_IR = 9  # the format of files that goes with opset 20
_MOST_BYTES = 2**31 - 2**20


def assemble(before: Before, traced: Traced, module: Any, classes: int, name: str) -> ModelProto:
    """Return the whole model: images in, labels and probabilities out.

    Equal models give equal bytes: what the exporter of torch notes about its source is left out.

    Args:
        before: From the image to the input of the network.
        traced: The network.
        module: The model.
        classes: Number of its classes.
        name: Its name, for messages.

    Raises:
        ExportError: It is larger than a file of ONNX may be.
    """
    size = sum(len(one.raw_data) for one in traced.model.graph.initializer)
    if size > _MOST_BYTES:
        message = f"cannot export {name!r}: its weights have {size / 2**30:.1f} GB, a file of ONNX "
        message += "holds 2 GB."
        raise ExportError(message, where="model", hint="export a smaller model.")
    network = compose.add_prefix(inliner.inline_local_functions(traced.model), "network_")
    before.graph.rename(before.pixels, network.graph.input[0].name)
    after = build_after(network.graph.output[0].name, traced.channels, before, module)
    for node in network.graph.node:
        _clean(node)
    graph = helper.make_graph(
        [*before.graph.nodes, *network.graph.node, *after.nodes],
        "zoo",
        [_value(IMAGE, TensorProto.UINT8, "batch", "height", "width", 3)],
        [
            _value(LABELS, TensorProto.UINT8, "batch", "height", "width"),
            _value(PROBABILITIES, TensorProto.FLOAT, "batch", classes, "height", "width"),
        ],
        [*before.graph.constants, *_constants(network.graph), *after.constants],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="zoo", opset_imports=[opset], ir_version=_IR)
    checker.check_model(model)
    return model


def _value(name: str, kind: int, *shape: str | int) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _clean(node: Any) -> None:
    """Drop notes on the source, and place pixels of maps of one pixel as torch does."""
    node.ClearField("metadata_props")
    node.ClearField("doc_string")
    for attribute in node.attribute:
        if attribute.s == b"pytorch_half_pixel":
            attribute.s = b"half_pixel"


def _constants(graph: GraphProto) -> list[TensorProto]:
    for tensor in graph.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")
    return list(graph.initializer)
