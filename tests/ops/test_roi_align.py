# SPDX-License-Identifier: Apache-2.0
"""RoIAlign against a NumPy twin that takes one sample at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import RoIAlign, roi_align
from torch import Tensor

from zoo.errors import UnsupportedOpError
from zoo.ops import roi_align as roi_align_module

pytestmark = pytest.mark.mm

Array = np.ndarray[Any, Any]

# image, x1, y1, x2, y2 on a map of 2 x 9 x 11 at scale 0.5
ROIS = [
    [0, 2.0, 1.0, 14.0, 13.0],
    [1, 0.0, 0.0, 22.0, 18.0],  # the whole map
    [1, -30.0, -7.0, 9.0, 8.0],  # begins outside
    [0, 15.0, 9.0, 80.0, 60.0],  # ends outside
    [0, 50.0, 50.0, 70.0, 70.0],  # lies outside
    [1, 5.0, 5.0, 5.0, 5.0],  # no area
    [0, 3.3, 4.1, 3.4, 17.7],  # thin
]


def _sample(plane: Array, y: float, x: float) -> float:
    """Return the bilinear value of one point; 0 beyond a pixel outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = plane[top, left] * (1 - (x - left)) + plane[top, right] * (x - left)
    lower = plane[bottom, left] * (1 - (x - left)) + plane[bottom, right] * (x - left)
    return float(upper * (1 - (y - top)) + lower * (y - top))


def _twin(
    features: Array, rois: Array, bins: tuple[int, int], scale: float, ratio: int, aligned: bool
) -> Array:
    """Average over each bin's grid of samples, in float64."""
    pooled = np.zeros((len(rois), features.shape[1], *bins))
    for (r, c, i, j), _ in np.ndenumerate(pooled):
        x1, y1, x2, y2 = rois[r, 1:] * scale - (0.5 if aligned else 0)
        size = np.array([y2 - y1, x2 - x1])
        step = (size if aligned else np.maximum(size, 1)) / bins
        grid = [ratio or math.ceil(s) for s in step]
        values = [
            _sample(
                features[int(rois[r, 0]), c],
                y1 + (i + (a + 0.5) / grid[0]) * step[0],
                x1 + (j + (b + 0.5) / grid[1]) * step[1],
            )
            for a in range(grid[0])
            for b in range(grid[1])
        ]
        pooled[r, c, i, j] = sum(values) / max(len(values), 1)
    return pooled


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 1, 3])
@pytest.mark.parametrize("bins", [(2, 3), (7, 7)])
def test_forward_when_rois_are_of_every_kind_equals_the_twin(
    features: Tensor, bins: tuple[int, int], ratio: int, aligned: bool
) -> None:
    """Aligned or not, adaptive and fixed sampling, RoIs inside, across and outside the map."""
    rois = torch.tensor(ROIS, dtype=torch.float64)

    pooled = roi_align(features, rois, bins, 0.5, ratio, "avg", aligned)

    expected = _twin(features.numpy(), rois.numpy(), bins, 0.5, ratio, aligned)
    np.testing.assert_allclose(pooled.numpy(), expected, rtol=0, atol=1e-12)


@given(
    corner=st.tuples(*[st.floats(-40, 40)] * 2),
    size=st.tuples(*[st.floats(0, 60)] * 2),
    ratio=st.integers(0, 2),
    aligned=st.booleans(),
    shape=st.tuples(*[st.integers(1, 6)] * 2),
)
@settings(max_examples=100, deadline=None)
def test_forward_when_map_and_roi_are_arbitrary_equals_the_twin(
    corner: tuple[float, ...],
    size: tuple[float, ...],
    ratio: int,
    aligned: bool,
    shape: tuple[int, int],
) -> None:
    """Also maps of a single pixel."""
    plane = torch.linspace(-1, 2, shape[0] * shape[1], dtype=torch.float64).view(1, 1, *shape)
    box = (*corner, corner[0] + size[0], corner[1] + size[1])
    rois = torch.tensor([[0, *box]], dtype=torch.float64)

    pooled = roi_align(plane, rois, (2, 2), 0.25, ratio, "avg", aligned)

    expected = _twin(plane.numpy(), rois.numpy(), (2, 2), 0.25, ratio, aligned)
    np.testing.assert_allclose(pooled.numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_gradient_when_differenced_numerically_agrees(
    features: Tensor, ratio: int, aligned: bool
) -> None:
    """Gradcheck in float64 over RoIs of every kind."""
    rois = torch.tensor(ROIS, dtype=torch.float64)
    features = features[:, :1, ::2, ::2].clone().requires_grad_()

    assert torch.autograd.gradcheck(
        lambda x: roi_align(x, rois, (2, 3), 0.5, ratio, "avg", aligned), [features]
    )


def test_gradient_when_work_is_cut_in_chunks_is_the_same(
    features: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded memory changes no number but by rounding."""
    rois = torch.tensor(ROIS * 3, dtype=torch.float64)
    pool = RoIAlign((3, 3), 0.5)
    whole = features.clone().requires_grad_()
    pool(whole, rois).square().sum().backward()

    monkeypatch.setattr(roi_align_module, "_MAX_TERMS", 50)
    parts = features.clone().requires_grad_()
    pooled = pool(parts, rois)
    pooled.square().sum().backward()

    torch.testing.assert_close(pooled, pool(whole, rois))
    torch.testing.assert_close(parts.grad, whole.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_forward_when_dtype_is_lower_stays_within_its_rounding(
    features: Tensor, dtype: torch.dtype
) -> None:
    """Half precision is summed in float32: off by the rounding of input and output alone."""
    rois = torch.tensor(ROIS, dtype=torch.float64)[:4].round()
    expected = roi_align(features, rois, (7, 7), 0.5, 0)

    pooled = roi_align(features.to(dtype), rois.to(dtype), (7, 7), 0.5, 0)

    assert pooled.dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps * float(features.abs().max())
    torch.testing.assert_close(pooled.double(), expected, rtol=0, atol=max(tolerance, 1e-5))


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _transposed(x: Tensor) -> Tensor:
    return x.transpose(2, 3).contiguous().transpose(2, 3)


def _every_second(x: Tensor) -> Tensor:
    return torch.stack((x, x), -1).flatten(3)[..., ::2]


@pytest.mark.parametrize("layout", [_channels_last, _transposed, _every_second])
def test_forward_and_backward_when_memory_is_not_contiguous_are_the_same(
    features: Tensor, layout: Any
) -> None:
    """Strides of input and of the incoming gradient do not matter."""
    rois = torch.tensor(ROIS, dtype=torch.float64)
    plain = features.clone().requires_grad_()
    strided = layout(features).requires_grad_()
    weight = torch.randn(len(ROIS), 3, 3, 3, dtype=torch.float64).transpose(2, 3)

    roi_align(plain, rois, (3, 3), 0.5).backward(weight)
    pooled = roi_align(strided, rois, (3, 3), 0.5)
    pooled.backward(weight)

    assert not strided.is_contiguous()
    torch.testing.assert_close(pooled, roi_align(plain, rois, (3, 3), 0.5))
    torch.testing.assert_close(strided.grad, plain.grad, check_stride=False)


def test_forward_and_backward_when_there_is_no_roi_are_empty_and_zero(features: Tensor) -> None:
    """An image without proposals trains."""
    features.requires_grad_()

    pooled = roi_align(features, features.new_zeros(0, 5), (7, 7), 0.5)
    pooled.sum().backward()

    assert pooled.shape == (0, 3, 7, 7)
    assert features.grad is not None
    assert not features.grad.any()


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_forward_when_a_roi_is_not_finite_is_zero_for_it_alone(
    features: Tensor, value: float, aligned: bool, ratio: int
) -> None:
    """A diverged model ends in the loss, not in memory."""
    rois = torch.tensor([ROIS[0], [1, 0, 0, value, 9], ROIS[1]], dtype=torch.float64)

    pooled = roi_align(features, rois, (2, 2), 0.5, ratio, "avg", aligned)

    assert not pooled[1].any()
    expected = roi_align(features, rois[[0, 2]], (2, 2), 0.5, ratio, "avg", aligned)
    torch.testing.assert_close(pooled[[0, 2]], expected)


def test_forward_when_a_roi_is_a_million_pixels_wide_needs_no_more_memory(
    features: Tensor,
) -> None:
    """Samples outside the map are counted, not drawn."""
    rois = torch.tensor([[0, -1e9, -1e9, 1e9, 1e9]], dtype=torch.float64)

    pooled = roi_align(features, rois, (1, 1), 1.0)

    assert pooled.abs().max() < 1e-12


def test_forward_when_a_roi_names_a_missing_image_raises(features: Tensor) -> None:
    """Compiled mmcv reads past the end of memory."""
    rois = torch.tensor([[2, 0, 0, 4, 4]], dtype=torch.float64)

    with pytest.raises(ValueError, match=r"^RoI of image 2, expected an index in \[0, 2\)\.$"):
        roi_align(features, rois, (2, 2))


def test_forward_when_pooling_is_max_raises_naming_it(features: Tensor) -> None:
    """No shipped model pools by maximum."""
    with pytest.raises(UnsupportedOpError, match=r"op roi_align\(pool_mode='max'\): zoo has a"):
        roi_align(features, torch.zeros(1, 5, dtype=torch.float64), (2, 2), 1.0, 0, "max")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_forward_and_backward_when_on_a_gpu_equal_the_cpu(
    features: Tensor, dtype: torch.dtype
) -> None:
    """Any device."""
    rois = torch.tensor(ROIS, dtype=dtype)
    here = features.to(dtype).requires_grad_()
    there = features.detach().to("cuda", dtype).requires_grad_()

    roi_align(here, rois, (7, 7), 0.5).square().sum().backward()
    pooled = roi_align(there, rois.cuda(), (7, 7), 0.5)
    pooled.square().sum().backward()

    torch.testing.assert_close(pooled.cpu(), roi_align(here, rois, (7, 7), 0.5))
    assert there.grad is not None
    torch.testing.assert_close(there.grad.cpu(), here.grad, rtol=2e-3, atol=2e-3)
