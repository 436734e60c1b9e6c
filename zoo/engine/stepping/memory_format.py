# SPDX-License-Identifier: Apache-2.0
"""Whether the channels of a pixel lie side by side, which CPUs compute faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

__all__ = ["in_some_format", "put_channels_first", "put_channels_last"]

_T = TypeVar("_T")
# What torch says where code asks for the memory of another layout.
_MARK = "view size is not compatible"


def put_channels_last(module: nn.Module) -> None:
    """Put the weights of 2D convolutions into torch's memory format ``channels_last``.

    torch then computes convolutions, and the layers between them, in that format. The values stay
    the same; sums run in another order, so that results may differ in the last digits.

    Args:
        module: Is changed in place; its parameters stay the same objects.
    """
    import torch

    _put(module, torch.channels_last)


def put_channels_first(module: nn.Module) -> None:
    """Put the weights of 2D convolutions into torch's usual memory format.

    Args:
        module: Is changed in place; its parameters stay the same objects.
    """
    import torch

    _put(module, torch.contiguous_format)


def in_some_format(module: nn.Module, compute: Callable[[], _T]) -> _T:
    """Return what a computation returns, in the usual format if it cannot use the other one.

    Args:
        module: The model that it runs. It keeps the usual format if it needs it.
        compute: Runs the model; may be called twice.
    """
    try:
        return compute()
    except RuntimeError as error:
        if _MARK not in str(error):
            raise
    put_channels_first(module)
    return compute()


def _put(module: nn.Module, memory_format: Any) -> None:
    import torch
    from torch import nn

    with torch.inference_mode(mode=False):  # a weight made within it could not be trained
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
                part.weight.data = part.weight.data.contiguous(memory_format=memory_format)
