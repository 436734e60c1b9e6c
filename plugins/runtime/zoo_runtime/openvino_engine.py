# SPDX-License-Identifier: Apache-2.0
"""A graph in OpenVINO, on the CPU."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo_runtime.engines import GraphError, Port

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OpenVinoEngine", "import_openvino"]

_TELEMETRY = "openvino_telemetry"
_KINDS = {"u8": "uint8", "u16": "uint16", "i64": "int64", "f32": "float", "f64": "double"}
_OPTIONS: Mapping[str, Any] = {
    "PERFORMANCE_HINT": "LATENCY",
    # Where a CPU has bfloat16, OpenVINO computes in it, and other labels than the certified come
    # out.
    "INFERENCE_PRECISION_HINT": "f32",
    "ENABLE_CPU_PINNING": False,  # other processes want the same cores
}
_PLACES = ("Exception from ", "Check '", "While ")


class OpenVinoEngine:
    """An `Engine`.

    Args:
        data: The bytes of a checked file.
        threads: With how many threads it computes.

    Raises:
        GraphError: This OpenVINO cannot run the graph.
    """

    def __init__(self, data: bytes, threads: int) -> None:
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        self._options = {**_OPTIONS, "INFERENCE_NUM_THREADS": threads}
        try:
            self._model = self._core.read_model(data)
        except Exception as error:  # those of OpenVINO have no other base
            raise GraphError(_reason(error)) from error
        self.inputs = _ports(self._model.inputs)
        self.outputs = _ports(self._model.outputs)
        self._compiled: dict[tuple[str, ...], _Requests] = {}
        self._lock = threading.Lock()

    def run(self, image: NDArray[Any], names: Sequence[str], /) -> list[NDArray[Any]]:
        """Return outputs for images; others are not computed.

        Args:
            image: ``(N, H, W, 3)`` of the type of the input ``image``.
            names: Of the outputs.

        Raises:
            GraphError: It fails on them.
        """
        try:
            with self._requests(tuple(names)).one() as request:
                found = request.infer({"image": image})
                return [found[name] for name in names]
        except Exception as error:  # as above
            raise GraphError(_reason(error)) from error

    def _requests(self, names: tuple[str, ...]) -> _Requests:
        """Return the graph with these outputs alone, compiled when it is first asked for."""
        with self._lock:
            if names not in self._compiled:
                outputs = self._model.outputs
                wanted = [one.get_node() for one in outputs if one.get_names() & set(names)]
                parts = self._openvino.Model(wanted, self._model.get_parameters(), "zoo")
                compiled = self._core.compile_model(parts, "CPU", self._options)
                self._compiled[names] = _Requests(compiled)
            return self._compiled[names]


class _Requests:
    """Requests of a compiled graph, each of which one thread may use at a time."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []

    @contextmanager
    def one(self) -> Iterator[Any]:
        """Lend a request that nobody uses."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        yield request
        self._idle.append(request)  # not one that failed


def import_openvino() -> Any:
    """Import OpenVINO without the package by which its import reports itself to its makers.

    It does so in the background and without asking, and leaves a file in the home folder; it does
    not where that package cannot be imported.
    """
    is_hidden = _TELEMETRY not in sys.modules
    if is_hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # the import system's "none"
    try:
        import openvino
    finally:
        if is_hidden:
            del sys.modules[_TELEMETRY]
    return openvino


def _ports(values: Any) -> Mapping[str, Port]:
    found = {}
    for one in values:
        kind = one.get_element_type().get_type_name()
        sides = tuple(n.get_length() if n.is_static else None for n in one.get_partial_shape())
        for name in one.get_names():
            found[name] = Port(f"tensor({_KINDS.get(kind, kind)})", sides)
    return found


def _reason(error: Exception) -> str:
    """Return what an error says in the end, in one line, without places in the code of OpenVINO."""
    lines = [line.strip().removeprefix("-- ") for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(_PLACES)]
    if "Summary:" in told[:-1]:  # of operators, with advice to those who write OpenVINO
        told = [told[told.index("Summary:") + 1]]
    return (told[-1] if told else type(error).__name__).rstrip(".:")[:300]
