# SPDX-License-Identifier: Apache-2.0
"""Adaptive average pooling as two matrix products, which ONNX has for maps of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["PooledByProducts", "poolings_as_products"]


class PooledByProducts(nn.Module):
    """The same as ``nn.AdaptiveAvgPool2d``.

    Args:
        output_size: Height and width of the output; None keeps a length.
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, tuple) else (output_size, output_size)
        self.height_px, self.width_px = sizes

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map.

        Args:
            x: ``(N, C, H, W)``.
        """
        if self.height_px is not None:
            x = _shares(x.shape[2], self.height_px).to(x) @ x
        if self.width_px is not None:
            x = x @ _shares(x.shape[3], self.width_px).to(x).T
        return x


def _shares(length: int, cells: int) -> Tensor:
    """Return ``(cells, length)``: the share of each place in each cell, as torch cuts them."""
    cell, place = torch.arange(cells)[:, None], torch.arange(length)
    start = cell * length // cells
    end = ((cell + 1) * length + cells - 1) // cells
    return ((place >= start) & (place < end)).float() / (end - start)


@contextmanager
def poolings_as_products(network: nn.Module) -> Iterator[None]:
    """Exchange the adaptive poolings of a network for a while; a global one stays.

    Args:
        network: It is as before in the end.
    """
    exchanged: list[tuple[nn.Module, str, nn.Module]] = []
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.AdaptiveAvgPool2d and child.output_size not in (1, (1, 1)):
                exchanged.append((parent, name, child))
                setattr(parent, name, PooledByProducts(child.output_size))
    try:
        yield
    finally:
        for parent, name, child in exchanged:
            setattr(parent, name, child)
