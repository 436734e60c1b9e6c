# SPDX-License-Identifier: Apache-2.0
"""Ask a converter which state dict it takes: its errors name what is missing, and the shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConversionError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zoo.engine.adoption.converters import FoundConverter

__all__ = ["asked_state_dict"]

# Names, then shapes; twice more for a converter that looks at its input in steps.
_MOST_QUESTIONS = 6
_MOST_VALUES = 10**9
_DRAWN = 100_003  # a prime: repeated in larger tensors, where no two rows agree


def asked_state_dict(converter: FoundConverter) -> dict[str, Tensor] | None:
    """Return random tensors that a converter takes; None if it does not say what it takes.

    Args:
        converter: The converter; it is given nothing, then what it says is missing.
    """
    import torch

    given: dict[str, Tensor] = {}
    noise = torch.rand(_DRAWN, generator=torch.Generator().manual_seed(0))
    for _ in range(_MOST_QUESTIONS):
        try:
            converter.run(dict(given), Path(converter.name))
        except ConversionError as error:
            if not (error.missing or error.shapes):
                return None
            for key in error.missing:
                given[key] = torch.zeros(())
            for key, sizes in error.shapes.items():
                shape = [1 if size is None else size for size in sizes]
                if torch.Size(shape).numel() > _MOST_VALUES:
                    return None
                given[key] = _drawn(torch.Size(shape), noise)
            for key in error.unexpected:
                given.pop(key, None)
        else:
            return given
    return None


def _drawn(shape: torch.Size, noise: Tensor) -> Tensor:
    count = shape.numel()
    return noise.repeat(-(-count // _DRAWN))[:count].reshape(shape)
