# SPDX-License-Identifier: Apache-2.0
"""A graph handed to onnxruntime, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from zoo_onnx_export.before import IMAGE
from zoo_onnx_export.errors import FileError

__all__ = ["Session"]


class Session:
    """A graph that runs.

    Args:
        graph: The bytes of a file.
        where: The file, for messages.
        name: Of its input.
        threads: With how many threads it computes; None for onnxruntime's choice.

    Raises:
        FileError: This onnxruntime cannot run it.
    """

    def __init__(
        self, graph: bytes, where: str, name: str = IMAGE, *, threads: int | None = None
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        # What was read and checked is ONNX; bytes of ORT's own format may hide another graph.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # those of onnxruntime have no other base
            first = str(error).strip().splitlines()[0]
            message = f"cannot run the graph: onnxruntime {onnxruntime.__version__}: {first:.200}."
            hint = 'pip install "onnxruntime>=1.17"'
            raise FileError(message, where=where, hint=hint) from error
        self._where, self._name = where, name

    def __call__(self, images: NDArray[Any], names: Sequence[str]) -> list[NDArray[Any]]:
        """Return outputs; others are not computed.

        Args:
            images: ``(N, H, W, 3)`` uint8 RGB, or what an input of another name takes.
            names: Of the outputs.

        Raises:
            FileError: It fails on the images.
        """
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        options.log_severity_level = 4
        try:
            found: list[NDArray[Any]] = self._session.run(
                list(names), {self._name: images}, options
            )
        except Exception as error:
            shape = "x".join(str(side) for side in images.shape[1:3])
            first = str(error).strip().splitlines()[0]
            message = f"cannot run the graph on an image of {shape} px: {first:.200}."
            raise FileError(message, where=self._where) from error
        return found
