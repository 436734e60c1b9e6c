# SPDX-License-Identifier: Apache-2.0
"""What a state dict must contain: names and shapes of its tensors, checked before conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from zoo.conversion import Misshaped, mismatch

__all__ = ["Layout", "check_layout", "convolution", "linear", "norm", "under", "with_counters"]

Layout = dict[str, tuple[int, ...]]
"""Name of a tensor -> its shape."""

_COUNTER = ".num_batches_tracked"
_HALVES = (torch.float16, torch.bfloat16)


def convolution(
    key: str, channels_in: int, channels_out: int, side: int, *, has_bias: bool = True
) -> Layout:
    """Return the tensors of a convolution.

    Args:
        key: Its name.
        channels_in: Input channels of a group.
        channels_out: Output channels.
        side: Side of the square kernel, px.
        has_bias: Whether it has a bias.
    """
    weight = {f"{key}.weight": (channels_out, channels_in, side, side)}
    return {**weight, f"{key}.bias": (channels_out,)} if has_bias else dict(weight)


def linear(key: str, channels_in: int, channels_out: int) -> Layout:
    """Return the tensors of a linear layer.

    Args:
        key: Its name.
        channels_in: Input channels.
        channels_out: Output channels.
    """
    return {f"{key}.weight": (channels_out, channels_in), f"{key}.bias": (channels_out,)}


def norm(key: str, channels: int) -> Layout:
    """Return the tensors of a batch norm, without its counter of batches.

    Args:
        key: Its name.
        channels: Its channels.
    """
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{key}.{name}": (channels,) for name in names}


def under(prefix: str, layout: Layout) -> Layout:
    """Return a layout with a prefix before every name.

    Args:
        prefix: The prefix, with its dot.
        layout: The layout.
    """
    return {f"{prefix}{key}": shape for key, shape in layout.items()}


def check_layout(state_dict: Mapping[str, Tensor], layout: Layout, *, what: str) -> None:
    """Raise unless a state dict has exactly the tensors of a layout.

    Counters of batches may be there or not: frozen batch norms and old files have none.

    Args:
        state_dict: Name -> tensor.
        layout: What it must hold.
        what: The expected architecture, for the message.

    Raises:
        ConversionError: Tensors are missing, unknown, or of another shape.
    """
    missing = [key for key in layout if key not in state_dict]
    unexpected = [key for key in state_dict if key not in layout and not _counts(key, layout)]
    misshaped = [
        Misshaped(key, tuple(state_dict[key].shape), shape)
        for key, shape in layout.items()
        if key in state_dict and tuple(state_dict[key].shape) != shape
    ]
    if missing or unexpected or misshaped:
        raise mismatch(what, missing, unexpected, misshaped)


def with_counters(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a model: half precision widened, and a counter for every batch norm.

    Args:
        tensors: Name -> tensor under the names of the target. A counter that it lacks becomes 0,
            as in a new model; only a batch norm without momentum reads it.
    """
    return dict(_complete(tensors))


def _complete(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in tensors.items():
        yield key, tensor.float() if tensor.dtype in _HALVES else tensor
        counter = key.removesuffix(".running_var") + _COUNTER
        if key.endswith(".running_var") and counter not in tensors:
            yield counter, torch.zeros((), dtype=torch.int64)


def _counts(key: str, layout: Layout) -> bool:
    return key.endswith(_COUNTER) and f"{key.removesuffix(_COUNTER)}.running_var" in layout
