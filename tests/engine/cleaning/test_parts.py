# SPDX-License-Identifier: Apache-2.0
"""Parts and holes of masks, beside scipy's ``ndimage``."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from zoo.engine.cleaning.parts import find_holes, find_small_parts

pytestmark = pytest.mark.mm

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)
MASKS = hnp.arrays(bool, SHAPES)


def largest_by_scipy(mask: Any, count: int) -> Any:
    """Return the largest parts; scipy numbers them by their first pixel, row by row."""
    parts, number = ndimage.label(mask, np.ones((3, 3)))
    areas = ndimage.sum_labels(mask, parts, np.arange(1, number + 1))
    order = sorted(range(number), key=lambda part: (-areas[part], np.argmax(parts == part + 1)))
    return np.isin(parts, [part + 1 for part in order[:count]])


@settings(max_examples=300, deadline=None)
@given(mask=MASKS, count=st.integers(1, 6))
def test_largest_parts_are_those_of_scipy(mask: Any, count: int) -> None:
    """Ties too: the part that begins first stays."""
    dropped = find_small_parts(mask, count)

    np.testing.assert_array_equal(mask & ~dropped, largest_by_scipy(mask, count))
    assert not (dropped & ~mask).any()


@settings(max_examples=300, deadline=None)
@given(mask=MASKS)
def test_holes_are_those_of_scipy(mask: Any) -> None:
    """A mask filled has no holes; what leaks through a corner only is a hole."""
    holes = find_holes(mask)

    np.testing.assert_array_equal(mask | holes, ndimage.binary_fill_holes(mask))
    assert not (holes & mask).any()
    assert not find_holes(mask | holes).any()


@settings(max_examples=100, deadline=None)
@given(mask=MASKS, count=st.integers(1, 6))
def test_dropping_twice_drops_no_more(mask: Any, count: int) -> None:
    kept = mask & ~find_small_parts(mask, count)

    assert ndimage.label(kept, np.ones((3, 3)))[1] <= count
    assert not find_small_parts(kept, count).any()


@pytest.mark.parametrize("seed", range(3))
def test_parts_of_a_large_image_are_those_of_scipy(seed: int) -> None:
    """Of thousands of parts, many of them of equal area."""
    noise = np.random.default_rng(seed).random((301, 257)) < 0.35

    dropped = find_small_parts(noise, 40)

    np.testing.assert_array_equal(noise & ~dropped, largest_by_scipy(noise, 40))
    np.testing.assert_array_equal(noise | find_holes(noise), ndimage.binary_fill_holes(noise))


def test_ties_of_many_specks_take_one_walk() -> None:
    """62,500 parts of one pixel: the first one stays, in less time than a walk for each takes."""
    mask = np.zeros((1000, 1000), bool)
    mask[::4, ::4] = True
    expected = mask.copy()
    expected[0, 0] = False
    started_s = time.process_time()

    dropped = find_small_parts(mask, 1)

    np.testing.assert_array_equal(dropped, expected)
    assert time.process_time() - started_s < 5


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_parts_and_holes_of_a_mask_without_pixels_are_none(shape: tuple[int, int]) -> None:
    """OpenCV ends the process on one."""
    nothing = np.zeros(shape, bool)

    assert find_small_parts(nothing, 1).shape == find_holes(nothing).shape == shape
