# SPDX-License-Identifier: Apache-2.0
"""A graph in onnxruntime, on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import onnxruntime

from zoo_runtime.engines import GraphError, Port

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OnnxRuntimeEngine"]


class OnnxRuntimeEngine:
    """An `Engine`.

    Args:
        data: The bytes of a checked file.
        threads: With how many threads it computes.

    Raises:
        GraphError: This onnxruntime cannot run the graph.
    """

    def __init__(self, data: bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4  # what it logs, it raises too
        # What was checked is ONNX; of these bytes, it might read its own format instead.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # From bytes: a path would let it look for files beside the model.
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # those of onnxruntime have no other base
            reason = _first(error)
            is_newer = "opset" in reason.lower() or "ir version" in reason.lower()
            raise GraphError(reason, is_newer=is_newer) from error
        self.inputs = _ports(self._session.get_inputs())
        self.outputs = _ports(self._session.get_outputs())

    def run(self, image: NDArray[Any], names: Sequence[str], /) -> list[NDArray[Any]]:
        """Return outputs for images; others are not computed.

        Args:
            image: ``(N, H, W, 3)`` of the type of the input ``image``.
            names: Of the outputs.

        Raises:
            GraphError: It fails on them.
        """
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        options.log_severity_level = 4
        try:
            found: list[NDArray[Any]] = self._session.run(list(names), {"image": image}, options)
        except Exception as error:  # as above
            raise GraphError(_first(error)) from error
        return found


def _ports(values: Any) -> Mapping[str, Port]:
    """Return inputs or outputs; of a length that depends on the image, onnxruntime has a name."""
    return {
        one.name: Port(one.type, tuple(n if isinstance(n, int) else None for n in one.shape))
        for one in values
    }


def _first(error: Exception) -> str:
    """Return the first line of an error of onnxruntime, without its codes and places."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    line = line.removeprefix("[ONNXRuntimeError] : ")
    if line[:2].strip().isdigit():
        line = line.split(" : ", 2)[-1]
    return line.strip().rstrip(".")[:300]
