# SPDX-License-Identifier: Apache-2.0
"""Multi-scale deformable attention against one sample at a time, and mmcv's formula for CPUs."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from torch import Tensor

pytestmark = pytest.mark.mm

SHAPES = torch.tensor([[4, 5], [2, 3]])
STARTS = torch.tensor([0, 20])


def _inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(2, 26, 2, 3, generator=generator, dtype=torch.float64)
    # Some lie outside the map.
    where = 1.4 * torch.rand(2, 4, 2, 2, 3, 2, generator=generator, dtype=torch.float64) - 0.2
    weight = torch.rand(2, 4, 2, 2, 3, generator=generator, dtype=torch.float64)
    return value, where, weight


def _attend(value: Tensor, where: Tensor, weight: Tensor) -> Tensor:
    return MultiScaleDeformableAttnFunction.apply(value, SHAPES, STARTS, where, weight, 64)


def test_attention_when_compared_with_mmcvs_cpu_formula_is_the_same() -> None:
    """mmcv never calls its kernel on a CPU, so both can be had here."""
    value, where, weight = _inputs()

    expected = multi_scale_deformable_attn_pytorch(value, SHAPES, where, weight)

    torch.testing.assert_close(_attend(value, where, weight), expected)


def test_attention_when_a_point_is_a_pixels_centre_reads_that_pixel() -> None:
    """Locations run from edge to edge: pixel (y=1, x=2) of 4 x 5 is at (1.5 / 4, 2.5 / 5)."""
    value, where, weight = _inputs()
    where[:] = torch.tensor([2.5 / 5, 1.5 / 4], dtype=torch.float64)
    weight[:] = 0
    weight[..., 0, 0] = 2

    attended = _attend(value, where, weight)

    expected = 2 * value[:, 1 * 5 + 2].flatten(1)
    torch.testing.assert_close(attended, expected[:, None].expand(2, 4, 6))


def test_gradient_when_differenced_numerically_agrees() -> None:
    """Gradcheck in float64 by values, locations and weights."""
    inputs = [x.requires_grad_() for x in _inputs()]

    assert torch.autograd.gradcheck(_attend, inputs)
