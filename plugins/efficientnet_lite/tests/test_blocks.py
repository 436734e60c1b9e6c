# SPDX-License-Identifier: Apache-2.0
"""SAME padding and stochastic depth, against what they are defined to be."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_efficientnet_lite.blocks import InvertedResidual, SameConv2d

pytestmark = pytest.mark.mm


def numpy_same(image: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """Window by window: ``ceil(size / stride)`` of them, missing zeros split, more at the end."""
    k = len(kernel)
    counts = [math.ceil(size / stride) for size in image.shape]
    zeros = [max((n - 1) * stride + k - s, 0) for n, s in zip(counts, image.shape, strict=True)]
    padded = np.pad(image, [(z // 2, z - z // 2) for z in zeros])
    return np.array(
        [
            [
                (padded[y * stride : y * stride + k, x * stride : x * stride + k] * kernel).sum()
                for x in range(counts[1])
            ]
            for y in range(counts[0])
        ]
    )


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 13), st.integers(1, 13)),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1, 2]),
    st.integers(0, 2**16),
)
def test_same_conv_of_any_size_equals_numpy_twin(
    shape: tuple[int, int], kernel_px: int, stride: int, seed: int
) -> None:
    image = np.random.default_rng(seed).normal(size=shape)
    conv = SameConv2d(1, 1, kernel_px, stride=stride).double()

    actual = conv(torch.from_numpy(image)[None, None])[0, 0].detach().numpy()

    kernel = conv.weight[0, 0].detach().numpy()
    np.testing.assert_allclose(numpy_same(image, kernel, stride), actual, atol=1e-12)


def test_block_when_dropping_skips_or_scales_each_image_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = InvertedResidual(4, 4, kernel_px=3, stride=1, expand_ratio=2, drop_rate=0.25)
    block.project[1].eval()
    block.depthwise[1].eval()
    block.expand[1].eval()
    x = torch.randn(1, 4, 3, 3).expand(4000, -1, -1, -1)

    branch = (block(x) - x).detach()

    kept = branch.abs().amax((1, 2, 3)) > 0
    full = block.project(block.depthwise(block.expand(x[:1]))).detach()
    torch.testing.assert_close((full / 0.75).expand_as(branch[kept]), branch[kept])
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_block_when_evaluating_drops_nothing() -> None:
    torch.manual_seed(0)
    block = InvertedResidual(4, 4, kernel_px=3, stride=1, expand_ratio=2, drop_rate=0.9).eval()
    x = torch.randn(8, 4, 3, 3)

    torch.testing.assert_close(x + block.project(block.depthwise(block.expand(x))), block(x))
