# SPDX-License-Identifier: Apache-2.0
"""Mirroring and tiles against NumPy and against one pass over the whole image."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 9), before=st.integers(0, 30), after=st.integers(0, 30))
def test_mirror_indices_equal_numpys_reflection(length: int, before: int, after: int) -> None:
    from zoo_vgg_unet.tiling import mirror_indices

    found = mirror_indices(length, before, after).numpy()

    assert np.array_equal(found, np.pad(np.arange(length), (before, after), mode="reflect"))


def _numpy_pad(image: Any, right: int, below: int, margin: int) -> Any:
    pad = ((0, 0), (0, 0), (margin, margin + below), (margin, margin + right))
    return torch.from_numpy(np.pad(image.numpy(), pad, mode="reflect"))


@pytest.fixture(scope="module")
def small() -> Any:
    """A network of depth 2: margin 20 px, grid 4 px, least input 44 px."""
    from zoo_vgg_unet.original import OriginalUNet

    torch.manual_seed(0)
    return OriginalUNet(base_channels=2, depth=2).double().eval()


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70), tile_px=st.sampled_from([48, 52, 60, 80])
)
def test_tiles_of_any_image_equal_one_pass_over_the_padded_whole(
    small: Any, height: int, width: int, tile_px: int
) -> None:
    """Seams vanish: each pixel is what one pass over the mirrored image gives."""
    from zoo_vgg_unet.tiling import Geometry, run_tiled

    image = torch.randn(1, 3, height, width, dtype=torch.float64)
    below, right = (-(side - 4) % 4 if side > 4 else 4 - side for side in (height, width))
    with torch.no_grad():
        found = run_tiled(image, lambda tile: small(tile)[-1], Geometry(20, 4, tile_px))
        whole = small(_numpy_pad(image, right, below, 20))[-1]

    assert found.shape[-2:] == (height, width)
    torch.testing.assert_close(found, whole[..., :height, :width])


def test_tiles_of_the_papers_network_equal_one_pass_over_the_padded_whole() -> None:
    """Tiles of 572 px over 600x420 px: two rows of tiles, two columns."""
    from zoo_vgg_unet.original import OriginalUNet
    from zoo_vgg_unet.tiling import Geometry, run_tiled

    torch.manual_seed(0)
    unet = OriginalUNet(base_channels=2).eval()
    image = torch.randn(1, 3, 600, 420)
    calls = []
    with torch.no_grad():
        found = run_tiled(image, lambda x: calls.append(1) or unet(x)[-1], Geometry(92, 16, 572))
        whole = unet(_numpy_pad(image, 0, 12, 92))[-1]

    assert len(calls) == 4
    torch.testing.assert_close(found, whole[..., :600, :420], atol=1e-4, rtol=1e-4)


def test_tiles_off_the_grid_of_the_poolings_would_not_agree(small: Any) -> None:
    """Why tiles stand on it: a shift by one pixel changes what the poolings choose."""
    image = torch.randn(1, 3, 49, 49, dtype=torch.float64)
    with torch.no_grad():
        one, other = small(image[..., :48, :48])[-1], small(image[..., 1:, 1:])[-1]

    assert not torch.allclose(one[..., 1:, 1:], other[..., :-1, :-1])


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 2000), tiles=st.integers(1, 30))
def test_plan_of_any_length_covers_it_on_the_grid(length: int, tiles: int) -> None:
    from zoo_vgg_unet.tiling import Geometry

    size, starts = Geometry(92, 16, 188 + 16 * tiles).plan(length)

    assert starts[0] == 0
    assert all(start % 16 == 0 for start in starts)
    assert all(after - before <= size for before, after in itertools.pairwise(starts))
    assert starts[-1] < length <= starts[-1] + size
    assert size % 16 == 4
    assert size <= 4 + 16 * tiles
