# SPDX-License-Identifier: Apache-2.0
"""Widen a first layer that was trained on red, green and blue to the bands of the data."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.data.bands.table import COLORS

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["widen", "widened"]


def widen(weight: Tensor, names: Sequence[str]) -> Tensor:
    """Return the weights of a convolution for these bands.

    Bands named red, green and blue get the weights of that colour, all others the mean of the
    three, and everything is scaled by ``3 / n``: a pixel that is equal in all bands gives the
    response of a grey one, if the bands have all three colours or none of them.

    Args:
        weight: ``(out, 3, h, w)`` for red, green and blue, in this order.
        names: Name of each of the n bands.

    Returns:
        ``(out, n, h, w)``.
    """
    import torch

    mean = weight.mean(dim=1)
    parts = [weight[:, COLORS.index(name)] if name in COLORS else mean for name in names]
    return torch.stack(parts, dim=1) * (len(COLORS) / len(names))


def widened(
    model: Module, state_dict: Mapping[str, Tensor], names: Sequence[str]
) -> tuple[Mapping[str, Tensor], list[str]]:
    """Return weights with each convolution of three channels widened where the model has one of n.

    A convolution of the same shape is left as it is, so three bands take the weights in their
    order.

    Args:
        model: The model.
        state_dict: Weights by the names of the model; not changed.
        names: Names of the n bands that it reads; none for pictures.

    Returns:
        The weights, and the names of those that were widened.
    """
    if not names:
        return state_dict, []
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    wider = [
        name
        for name, value in state_dict.items()
        if value.ndim == 4
        and value.shape[1] == len(COLORS) != len(names)
        and own.get(name) == (value.shape[0], len(names), *value.shape[2:])
    ]
    if not wider:
        return state_dict, []
    changed = OrderedDict(state_dict)
    changed.update((name, widen(state_dict[name], names)) for name in wider)
    changed._metadata = getattr(state_dict, "_metadata", None)  # type: ignore[attr-defined]
    return changed, wider
