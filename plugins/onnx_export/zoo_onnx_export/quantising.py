# SPDX-License-Identifier: Apache-2.0
"""The network of a graph in 8 bits: static quantisation after training, by onnxruntime.

Pre- and post-processing stay as they are. Weights are signed, with a scale for each channel;
activations are unsigned, with the least and the largest value that the calibration images give.
The nodes are ONNX's own ``QuantizeLinear`` and ``DequantizeLinear``, so every runtime takes them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from zoo_onnx_export.before import IMAGE
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.images import Sample

__all__ = ["METHOD", "count_quantised", "quantise"]

METHOD = {
    "bits": 8,
    "method": "static, after training, least and largest values",
    "weights": "int8, by channel",
    "activations": "uint8",
}
"""What the record of a file says of how it was quantised."""

_NETWORK = "network_"  # what the names of its nodes begin with
_COMPUTING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BETWEEN = ("Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Concat", "Resize")
"""They hand on 8 bits; without them, values would go to floats and back."""
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")
"""Or it warns on the root logger that batch norms might be left; torch has folded them."""


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Images, one by one."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._images = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next one as the input of the graph; None after the last."""
        sample = next(self._images, None)
        return None if sample is None else {IMAGE: sample.pixels[None]}


def quantise(graph: bytes, samples: Sequence[Sample], name: str) -> ModelProto:
    """Return a graph with its network in 8 bits, without metadata.

    Args:
        graph: The graph in floats.
        samples: The images to calibrate on.
        name: Name of the model, for messages.

    Raises:
        ExportError: There is nothing to quantise, or onnxruntime cannot.
    """
    model = onnx.load_model_from_string(graph)
    opsets, version = list(model.opset_import), model.ir_version
    own = [node for node in model.graph.node if node.name.startswith(_NETWORK)]
    if not any(node.op_type in _COMPUTING for node in own):
        message = f"cannot export {name!r} in 8 bits: its network has neither convolutions nor "
        message += "products of matrices."
        raise ExportError(message, where="model", hint="use --to onnx.")
    nodes = [node.name for node in own if node.op_type in (*_COMPUTING, *_BETWEEN)]
    del model.metadata_props[:]
    model.metadata_props.add(key=_PREPARED[0], value=_PREPARED[1])
    with tempfile.TemporaryDirectory(prefix="zoo-export-") as scratch:
        given, made = Path(scratch, "floats.onnx"), Path(scratch, "int8.onnx")
        onnx.save_model(model, given)
        try:
            quantize_static(
                given,
                made,
                _Reader(samples),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*_COMPUTING, *_BETWEEN],
                nodes_to_quantize=nodes,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
            )
        except Exception as error:  # of any of its parts
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            message = f"cannot export {name!r} in 8 bits: onnxruntime cannot quantise it: "
            message += f"{first:.200}."
            raise ExportError(message, where="model") from error
        quantised = onnx.load_model(made)
    del quantised.metadata_props[:], quantised.graph.value_info[:], quantised.opset_import[:]
    quantised.opset_import.extend(opsets)
    quantised.ir_version, quantised.producer_name = version, model.producer_name
    quantised.ClearField("producer_version")
    return quantised


def count_quantised(model: ModelProto) -> int:
    """Return how many nodes compute in 8 bits: those whose input is handed on from 8 bits.

    Args:
        model: What `quantise` returned.
    """
    from_8_bits = {
        one
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for one in node.output
    }
    return sum(
        node.op_type in _COMPUTING and node.input[0] in from_8_bits for node in model.graph.node
    )
