# SPDX-License-Identifier: Apache-2.0
"""Multi-scale deformable attention, with the signatures of mmcv's kernels.

mmcv calls these on a GPU; on a CPU it has its own formula.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["ms_deform_attn_backward", "ms_deform_attn_forward"]


@torch.no_grad()
def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Return each query's weighted sum of values, sampled bilinearly, zero outside the map.

    Args:
        value: ``(N, sum of H * W, heads, D)`` float, the levels' maps one after another.
        value_spatial_shapes: ``(levels, 2)`` int64, H and W of each level.
        value_level_start_index: Unused: it follows from the shapes.
        sampling_locations: ``(N, Q, heads, levels, points, 2)`` float, x and y; 0 and 1 are the
            outer edges of the map.
        attention_weights: ``(N, Q, heads, levels, points)`` float.
        im2col_step: Unused: how compiled mmcv cuts its work.

    Returns:
        ``(N, Q, heads * D)``.

    Source:
        Zhu et al. 2020, arXiv:2010.04159.
    """
    return _attend(value, value_spatial_shapes, sampling_locations, attention_weights)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Add the gradients to the three tensors that are given for them.

    Args:
        value: As in the forward pass.
        value_spatial_shapes: As in the forward pass.
        value_level_start_index: Unused.
        sampling_locations: As in the forward pass.
        attention_weights: As in the forward pass.
        grad_output: ``(N, Q, heads * D)``.
        grad_value: Of the shape of ``value``, added to.
        grad_sampling_loc: Of the shape of ``sampling_locations``, added to.
        grad_attn_weight: Of the shape of ``attention_weights``, added to.
        im2col_step: Unused.
    """
    leaves = [x.detach().requires_grad_() for x in (value, sampling_locations, attention_weights)]
    with torch.enable_grad():
        output = _attend(leaves[0], value_spatial_shapes, leaves[1], leaves[2])
    grads = torch.autograd.grad(output, leaves, grad_output)
    with torch.no_grad():
        for target, grad in zip(
            (grad_value, grad_sampling_loc, grad_attn_weight), grads, strict=True
        ):
            target += grad


def _attend(value: Tensor, shapes: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    images, _, heads, depth = value.shape
    queries = locations.shape[1]
    sizes_px = [(int(height), int(width)) for height, width in shapes.tolist()]
    maps = value.permute(0, 2, 3, 1).flatten(0, 1)
    grid = (locations * 2 - 1).transpose(1, 2).flatten(0, 1)
    weights = weights.transpose(1, 2).flatten(0, 1).unsqueeze(1)
    total = value.new_zeros(images * heads, depth, queries)
    start = 0
    for level, (height, width) in enumerate(sizes_px):
        level_map = maps[..., start : start + height * width].reshape(-1, depth, height, width)
        sampled = grid_sample(level_map, grid[:, :, level], align_corners=False)
        total = total + (sampled * weights[..., level, :]).sum(-1)
        start += height * width
    attended = total.view(images, heads * depth, queries).transpose(1, 2)
    return attended.to(value.dtype).contiguous()
