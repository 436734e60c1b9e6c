# SPDX-License-Identifier: Apache-2.0
"""Pre-processing, network and post-processing as one model of ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    checker,
    compose,
    helper,
    inliner,
)

from zoo_onnx_export.after import LABELS, PROBABILITIES, build_after
from zoo_onnx_export.before import IMAGE, Before
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.graph import OPSET
from zoo_onnx_export.network import Traced

__all__ = ["as_part", "assemble", "finish", "value_info"]

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
    network = as_part(traced.model, "network_")
    before.graph.rename(before.pixels, network.input[0].name)
    after = build_after(network.output[0].name, traced.channels, before, module)
    outputs = [
        value_info(LABELS, TensorProto.UINT8, "batch", "height", "width"),
        value_info(PROBABILITIES, TensorProto.FLOAT, "batch", classes, "height", "width"),
    ]
    nodes = [*before.graph.nodes, *network.node, *after.nodes]
    constants = [*before.graph.constants, *network.initializer, *after.constants]
    image = value_info(IMAGE, TensorProto.UINT8, "batch", "height", "width", 3)
    return finish(nodes, constants, image, outputs, name)


def finish(
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto],
    image: ValueInfoProto,
    outputs: Sequence[ValueInfoProto],
    name: str,
) -> ModelProto:
    """Return nodes as a checked model.

    Args:
        nodes: In an order in which they can run.
        constants: Of all of them.
        image: The input.
        outputs: The outputs.
        name: Of the model, for messages.

    Raises:
        ExportError: It is larger than a file of ONNX may be.
    """
    size = sum(len(one.raw_data) for one in constants)
    if size > _MOST_BYTES:
        message = f"cannot export {name!r}: its weights have {size / 2**30:.1f} GB, a file of ONNX "
        message += "holds 2 GB."
        raise ExportError(message, where="model", hint="export a smaller model.")
    graph = helper.make_graph(nodes, "zoo", [image], outputs, constants)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="zoo", opset_imports=[opset], ir_version=_IR)
    checker.check_model(model)
    return model


def as_part(model: ModelProto, prefix: str) -> GraphProto:
    """Return a traced network as a part of a graph, without notes on its source.

    Args:
        model: The network.
        prefix: Start of all its names, which no other part has.
    """
    part = compose.add_prefix(inliner.inline_local_functions(model), prefix).graph
    for node in part.node:
        _clean(node)
    for tensor in part.initializer:
        tensor.ClearField("metadata_props")
        tensor.ClearField("doc_string")
    return part


def value_info(name: str, kind: int, *shape: str | int) -> ValueInfoProto:
    """Return an input or output.

    Args:
        name: Its name.
        kind: Its type, of ``TensorProto``.
        shape: Lengths, or names of those that vary.
    """
    return helper.make_tensor_value_info(name, kind, shape)


def _clean(node: Any) -> None:
    """Drop notes on the source, and place pixels of maps of one pixel as torch does."""
    node.ClearField("metadata_props")
    node.ClearField("doc_string")
    for attribute in node.attribute:
        if attribute.s == b"pytorch_half_pixel":
            attribute.s = b"half_pixel"
