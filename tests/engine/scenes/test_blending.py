# SPDX-License-Identifier: Apache-2.0
"""Blended windows against one pass over the whole scene, by exact arithmetic."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.data.geometry.windows import Tiling, tile_starts
from zoo.engine.scenes.blending import Band, blend_windows, window_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo.data import Window

    Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

TILES = [(32, 0), (32, 8), (32, 24), (33, 13), (37, 16), (48, 36), (64, 20)]
SIZES = [(1, 1), (1, 97), (97, 1), (31, 32), (32, 32), (33, 32), (61, 83), (128, 65), (149, 151)]
MATRIX = list(itertools.product(TILES, SIZES))


def _tiling(tile: tuple[int, int]) -> Tiling:
    return Tiling("tiles", *tile, min_visible=0.3)


def _network(reach_px: int, classes: int) -> Network:
    """Return a network that sums a square around each pixel, padded by 0, in whole numbers.

    A pixel's scores are exact in float32, so equal labels are no matter of rounding.
    """
    side = 2 * reach_px + 1
    kernels = np.random.default_rng(reach_px).integers(-3, 4, (classes, side, side))

    def run(image: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(image, reach_px)
        views = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
        return np.einsum("hwij,cij->chw", views, kernels).astype(np.float32)

    return run


def _scene(height_px: int, width_px: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(height_px * 1000 + width_px)
    return rng.integers(0, 9, (height_px, width_px)).astype(np.float32)


def _looking(image: NDArray[np.float32], network: Network) -> Callable[[Window], Any]:
    def look(window: Window) -> NDArray[np.float32]:
        left, top, right, bottom = (int(side) for side in window.box)
        return network(image[top:bottom, left:right])

    return look


def _labels(bands: list[tuple[int, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Return bands as one map; they follow each other without a gap."""
    tops = [top for top, _ in bands]
    heights = [len(rows) for _, rows in bands]
    assert tops[1:] == [top + height for top, height in zip(tops, heights, strict=True)][:-1]
    return np.concatenate([rows for _, rows in bands])


@pytest.mark.parametrize(("tile", "size"), MATRIX)
def test_windows_leave_no_seam(tile: tuple[int, int], size: tuple[int, int]) -> None:
    """A network that looks a quarter of the overlap far gives the labels of one pass."""
    image, network = _scene(*size), _network(tile[1] // 4, classes=4)
    expected = network(image).argmax(axis=0)

    bands = blend_windows(size[1], size[0], _tiling(tile), _looking(image, network))
    found = _labels([(band.top_px, band.labels(None)) for band in bands])

    assert found.dtype == np.uint8
    assert np.array_equal(expected, found)


@pytest.mark.parametrize(("tile", "size"), MATRIX[::3])
@pytest.mark.parametrize(("share", "logit"), [(0.5, 0.0), (0.3, -0.8472979), (0.9, 2.1972246)])
def test_one_map_is_decided_by_its_threshold(
    tile: tuple[int, int], size: tuple[int, int], share: float, logit: float
) -> None:
    """And two maps by their difference: logarithms of probabilities."""
    image, one = _scene(*size), _network(tile[1] // 4, classes=1)
    expected = one(image)[0] > logit

    def two(part: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([np.zeros_like(one(part)), one(part)])

    for network in (one, two):
        bands = blend_windows(size[1], size[0], _tiling(tile), _looking(image, network))
        found = _labels([(band.top_px, band.labels(share)) for band in bands])
        assert np.array_equal(expected, found)


@pytest.mark.parametrize(("tile", "size"), MATRIX)
def test_bands_begin_again_at_any_of_them(tile: tuple[int, int], size: tuple[int, int]) -> None:
    """Its later bands are those of an uninterrupted scene, to the last bit."""
    image, network = _scene(*size), _network(5, classes=3)  # farther than exact

    def bands(first_px: int) -> dict[int, NDArray[np.float32]]:
        look = _looking(image, network)
        found = blend_windows(size[1], size[0], _tiling(tile), look, first_px=first_px)
        return {band.top_px: band.means() for band in found}

    whole = bands(0)
    for first_px in whole:
        again = bands(first_px)
        assert list(again) == [top for top in whole if top >= first_px]
        assert all(np.array_equal(whole[top], means) for top, means in again.items())


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("length_px", [1, 31, 32, 33, 61, 64, 101, 149, 500])
def test_weights_cover_a_scene(tile: tuple[int, int], length_px: int) -> None:
    """Every pixel counts somewhere, rims of the scene wholly; no weight exceeds 1."""
    tile_px, overlap_px = min(tile[0], length_px), tile[1]
    starts = tile_starts(length_px, tile[0], overlap_px)
    weights = window_weights(starts, tile_px, length_px, overlap_px)

    total = np.zeros(length_px)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + tile_px] += weight
        assert weight.min() >= 0
        assert weight.max() <= 1
    assert total.min() > 0
    assert weights[0][0] == weights[-1][-1] == 1


@pytest.mark.parametrize("overlap_px", [1, 2, 5, 8, 16])
def test_weights_of_neighbours_change_places_smoothly(overlap_px: int) -> None:
    """They add up to 1, and rise by a cosine between the quarters that count nothing."""
    length_px = 2 * 40 - overlap_px
    left, right = window_weights([0, 40 - overlap_px], 40, length_px, overlap_px)

    assert np.allclose(left[40 - overlap_px :] + right[:overlap_px], 1, atol=1e-6)
    assert np.all(np.diff(right[:overlap_px]) >= 0)
    assert np.all(right[: overlap_px // 4] == 0)
    assert np.all(left[: 40 - overlap_px] == 1)


def test_window_without_data_has_no_label() -> None:
    """Where none of the windows that show a pixel has data; others are decided by those that do."""
    image, network = _scene(96, 96), _network(0, classes=3)
    seen = _looking(image, network)

    def look(window: Window) -> NDArray[np.float32] | None:
        return seen(window) if window.left_px >= 32 else None

    bands: list[Band] = []
    found = []
    for band in blend_windows(96, 96, _tiling((32, 0)), look):
        bands.append(band)
        found.append(band.labels(None))
    labels = np.concatenate(found)

    assert len(bands) == 3
    assert (labels[:, :32] == 255).all()
    assert np.array_equal(labels[:, 32:], network(image).argmax(axis=0)[:, 32:])
    empty = [band.labels(None) for band in blend_windows(96, 96, _tiling((32, 8)), lambda _: None)]
    assert all((rows == 255).all() for rows in empty)
    assert sum(map(len, empty)) == 96
