# SPDX-License-Identifier: Apache-2.0
"""Runs models that ``zoo export --to onnx`` wrote, with NumPy, onnxruntime and OpenCV alone.

::

    from zoo_runtime import Predictor

    result = Predictor("model.onnx")("image.png")
    result.labels, result.areas_px, result.overlay()

Names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_runtime.errors import ConfigError, DataError, ModelError, ZooRuntimeError
    from zoo_runtime.predictor import Predictor
    from zoo_runtime.results import InstanceResult, SemanticResult

__all__ = [
    "ConfigError",
    "DataError",
    "InstanceResult",
    "ModelError",
    "Predictor",
    "SemanticResult",
    "ZooRuntimeError",
    "__version__",
]

__version__ = "0.1.0"

_MODULES = {
    "Predictor": "predictor",
    "InstanceResult": "results",
    "SemanticResult": "results",
    **dict.fromkeys(("ConfigError", "DataError", "ModelError", "ZooRuntimeError"), "errors"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
