# SPDX-License-Identifier: Apache-2.0
"""Each up-sampling against a twin in NumPy or a sentence that must hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.errors import ConfigError  # noqa: E402

sides = st.integers(2, 11)


def _build(name: str, channels: int = 2, out: int = 2, pooled: int = 2, ratio: int = 2) -> Any:
    from zoo_vgg_unet.upsampling import build_upsampling

    return build_upsampling(name, channels, out, pooled, ratio)


def _unpool(values: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Put each value where the maximum of its 2x2 window of ``before`` lies, both (C, H, W)."""
    placed = np.zeros_like(before)
    for channel, row, column in np.ndindex(values.shape):
        window = before[channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        at = np.unravel_index(window.argmax(), window.shape)
        placed[channel, 2 * row + at[0], 2 * column + at[1]] = values[channel, row, column]
    return placed


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_unpooling_of_any_size_equals_the_numpy_twin(height: int, width: int, seed: int) -> None:
    from zoo_vgg_unet.vgg import Pooled

    generator = np.random.default_rng(seed)
    before = generator.permutation(2 * height * width).reshape(2, height, width).astype(np.float32)
    tensor = torch.from_numpy(before)[None]
    _, indices = torch.nn.functional.max_pool2d(tensor, 2, return_indices=True)
    values = generator.normal(size=(2, height // 2, width // 2)).astype(np.float32)
    layer = _build("unpool")

    found = layer(torch.from_numpy(values)[None], (height, width), Pooled(indices, (height, width)))

    assert np.array_equal(found[0].numpy(), _unpool(values, before))


def test_unpooling_of_other_channels_projects_them_first() -> None:
    from zoo_vgg_unet.vgg import Pooled

    indices = torch.zeros(1, 5, 2, 2, dtype=torch.int64)
    layer = _build("unpool", channels=3, pooled=5)

    found = layer(torch.ones(1, 3, 2, 2), (4, 4), Pooled(indices, (4, 4)))

    assert (found.shape, layer.out_channels) == ((1, 5, 4, 4), 5)


def test_unpooling_without_indices_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot unpool: this map was not pooled"):
        _build("unpool")(torch.ones(1, 2, 2, 2), (4, 4))


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides)
def test_nearest_of_any_size_takes_the_pixel_whose_middle_is_nearest(
    height: int, width: int
) -> None:
    """A twin of half-pixel centres; torch's own ``nearest`` rounds down instead."""
    size = (2 * height + 1, 2 * width)
    x = torch.arange(height * width).reshape(1, 1, height, width).float()

    found = _build("nearest", channels=1)(x, size)[0, 0].numpy()

    rows = np.floor((np.arange(size[0]) + 0.5) * height / size[0]).astype(int)
    columns = np.floor((np.arange(size[1]) + 0.5) * width / size[1]).astype(int)
    assert np.array_equal(found, x[0, 0].numpy()[np.ix_(rows, columns)])


def test_bilinear_of_a_ramp_is_the_ramp_between_its_ends() -> None:
    """Half-pixel centres: 0, 4 over two pixels becomes 0, 1, 3, 4."""
    found = _build("bilinear", channels=1)(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))

    assert found.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


def test_bicubic_overshoots_an_edge_and_keeps_a_constant() -> None:
    """What tells it from bilinear: negative lobes (-0.75 in torch), which sum to one."""
    edge = torch.tensor([0.0, 0, 0, 1, 1, 1]).repeat(6, 1)[None, None]
    layer = _build("bicubic", channels=1)

    found = layer(edge, (12, 12))

    assert found.min() < -0.01
    assert found.max() > 1.01
    assert torch.allclose(layer(torch.ones(1, 1, 3, 3), (7, 6)), torch.ones(1, 1, 7, 6))


@settings(max_examples=40, deadline=None)
@given(height=sides, width=sides, odd=st.tuples(st.booleans(), st.booleans()))
def test_deconvolution_writes_each_pixel_into_its_own_window(
    height: int, width: int, odd: tuple[bool, bool]
) -> None:
    """A kernel of ones repeats each pixel; a size one larger repeats the last row."""
    layer = _build("deconv", channels=1, out=1)
    torch.nn.init.ones_(layer.convolution.weight)
    torch.nn.init.zeros_(layer.convolution.bias)
    x = torch.randn(1, 1, height, width)
    size = (2 * height + odd[0], 2 * width + odd[1])

    found = layer(x, size)[0, 0].detach().numpy()

    repeated = x[0, 0].numpy().repeat(2, 0).repeat(2, 1)
    expected = np.pad(repeated, ((0, odd[0]), (0, odd[1])), mode="edge")
    assert np.array_equal(found, expected)


def test_deconvolution_to_less_than_double_drops_the_end() -> None:
    """Encoders that round up: 19 px at stride 2 of 37."""
    layer = _build("deconv", channels=2, out=3)
    x = torch.randn(1, 2, 19, 19)

    found = layer(x, (37, 38))

    assert torch.equal(found, layer(x, (38, 38))[:, :, :37])
    assert layer.out_channels == 3
