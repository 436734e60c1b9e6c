# SPDX-License-Identifier: Apache-2.0
"""What runs a graph whose bytes were checked: an engine, chosen by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from zoo_runtime.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENGINES", "Engine", "GraphError", "Port", "check_engine", "load_engine"]

ENGINES = ("onnxruntime", "openvino")
"""The package of each is imported when a file is opened with it."""
_EXTRAS: Mapping[str, str] = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": 'pip install "mmzoo-runtime[openvino]"',
}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph.

    Attributes:
        kind: Its type, for example ``tensor(uint8)``.
        sides: Its lengths; those that depend on the image are None.
    """

    kind: str
    sides: tuple[int | None, ...]

    def __str__(self) -> str:
        """Return its lengths, as ``(any, any, any, 3)``."""
        return f"({', '.join('any' if one is None else str(one) for one in self.sides)})"


class GraphError(Exception):
    """An engine cannot run a graph; the message is a clause, without the engine's own codes.

    Args:
        reason: The clause.
        is_newer: Whether a newer version of the engine could run it.
    """

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


class Engine(Protocol):
    """A graph that runs; several threads may call it at once.

    Attributes:
        inputs: By name.
        outputs: By name.
    """

    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]

    def run(self, image: NDArray[Any], names: Sequence[str], /) -> list[NDArray[Any]]:
        """Return outputs for images; others are not computed.

        Args:
            image: ``(N, H, W, 3)`` of the type of the input ``image``.
            names: Of the outputs.

        Raises:
            GraphError: It fails on them.
            MemoryError: Memory is full.
        """


def check_engine(name: object) -> str:
    """Return the name of an engine that is installed.

    Args:
        name: As it was asked for.

    Raises:
        ConfigError: There is none of this name, or its package is missing.
    """
    if not isinstance(name, str) or name not in ENGINES:
        message = (
            f"cannot run a model with the engine {name!r:.40}: expected {' or '.join(ENGINES)}."
        )
        raise ConfigError(message, where="engine", hint="leave it out for onnxruntime.")
    if find_spec(name) is None:
        message = f"cannot run a model with the engine {name!r}: {name} is not installed."
        raise ConfigError(message, where="engine", hint=_EXTRAS[name])
    return name


def load_engine(name: str, data: bytes, threads: int) -> Engine:
    """Return a graph opened by an engine.

    Args:
        name: As `check_engine` returned it.
        data: The bytes of a checked file.
        threads: With how many threads it computes.

    Raises:
        GraphError: This version of it cannot run the graph.
    """
    if name == "openvino":
        from zoo_runtime.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(data, threads)
    from zoo_runtime.onnxruntime_engine import OnnxRuntimeEngine

    return OnnxRuntimeEngine(data, threads)
