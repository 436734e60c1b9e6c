# SPDX-License-Identifier: Apache-2.0
"""Run a batch of one image through a model, with clear errors."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.records.budget import current_budget
from zoo.engine.stepping.memory_format import in_some_format
from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.engine.prediction.model import LoadedModel

__all__ = ["predict_sample"]

# Whatever a config asks for that its model cannot do, including a record from outside.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def predict_sample(model: LoadedModel, batch: dict[str, list[Any]], where: str) -> Any:
    """Return the data sample that a model predicts for one image.

    Args:
        model: A model in evaluation mode.
        batch: A batch of :class:`zoo.engine.prediction.image_reader.ImageReader`.
        where: The image, for the message.

    Raises:
        DataError: The model fails on it, for example because memory is full.
        CheckpointError: It is a published model that exceeds its budget.
    """
    import torch

    try:
        with torch.inference_mode(), _watched(model, batch):
            return in_some_format(model.module, lambda: model.module.test_step(batch)[0])
    except _FAILURES as error:
        hint = _hint(model) if _is_full(error) else None
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"cannot predict on {Path(where).name!r}: the model fails: {first}"
        raise DataError(message, path=where, hint=hint) from error


def _watched(model: LoadedModel, batch: dict[str, list[Any]]) -> AbstractContextManager[None]:
    budget = current_budget()
    return nullcontext() if budget is None else budget.forward(batch, model.config.model)


def _is_full(error: Exception) -> bool:
    """Return whether memory ran out, also on the host, for which torch has no exception type."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "not enough memory" in str(error) or "can't allocate memory" in str(error)


def _hint(model: LoadedModel) -> str:
    on_cpu = all(parameter.device.type == "cpu" for parameter in model.module.parameters())
    ways = [] if on_cpu else ["--device cpu"]
    return f"try {' or '.join([*ways, 'smaller windows (--tile-size)', 'a smaller image'])}."
