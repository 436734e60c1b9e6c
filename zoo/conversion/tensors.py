# SPDX-License-Identifier: Apache-2.0
"""Rearranged tensors: attention projections joined, Swin's patch merging permuted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["join_qkv", "swin_merging", "window_index"]


def join_qkv(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return three projections as one, as ``nn.MultiheadAttention`` and mmseg's Swin store them.

    Args:
        query: ``(D, D)`` weight or ``(D,)`` bias of the query.
        key: The same of the key.
        value: The same of the value.

    Returns:
        ``(3 D, D)`` or ``(3 D,)``.
    """
    import torch

    return torch.cat([query, key, value], dim=0)


def swin_merging(tensor: Tensor) -> Tensor:
    """Return the tensor of a Swin patch merging in the channel order of mmseg and mmdet.

    Original Swin (also transformers and timm) concatenates the four pixels of a 2x2 patch as
    (0, 0), (1, 0), (0, 1), (1, 1), pixel by pixel; OpenMMLab's ``PatchMerging`` uses ``nn.Unfold``,
    which puts the four pixels of one channel side by side in the order (0, 0), (0, 1), (1, 0),
    (1, 1).

    Args:
        tensor: ``(out, 4 C)`` weight of the reduction, or ``(4 C,)`` weight or bias of the norm.

    Returns:
        A tensor of the same shape.
    """
    last = tensor.shape[-1]
    parts = tensor.reshape(*tensor.shape[:-1], 4, last // 4)
    parts = parts[..., [0, 2, 1, 3], :]
    return parts.transpose(-1, -2).reshape(tensor.shape).contiguous()


def window_index(window: int) -> Tensor:
    """Return which row of a Swin bias table two pixels of a square window use.

    Args:
        window: Side of the window, in pixels.

    Returns:
        ``(window ** 2, window ** 2)`` int64: row ``(dy + window - 1) * (2 * window - 1) + dx +
        window - 1`` for a pixel that is ``dy`` below and ``dx`` right of the other.

    Source:
        Liu et al. 2021, arXiv:2103.14030, section 3.2.
    """
    import torch

    pixel = torch.arange(window**2)
    rows, columns = pixel // window, pixel % window
    dy, dx = rows[:, None] - rows, columns[:, None] - columns
    return (dy + window - 1) * (2 * window - 1) + dx + window - 1
