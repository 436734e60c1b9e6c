# SPDX-License-Identifier: Apache-2.0
"""Masks as outlines; the oracles are pycocotools, which fills them, and counted pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytestmark = pytest.mark.mm


def _filled(polygons: list[NDArray[np.float64]], height: int, width: int) -> NDArray[np.uint8]:
    """Return what pycocotools makes of polygons."""
    from pycocotools import mask as tools

    if not polygons:
        return np.zeros((height, width), np.uint8)
    rles = tools.frPyObjects([polygon.tolist() for polygon in polygons], height, width)
    found: NDArray[np.uint8] = tools.decode(tools.merge(rles))
    return found


@settings(deadline=None, max_examples=300)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    share=st.sampled_from([0.2, 0.5, 0.8, 0.95]),
)
def test_outlines_of_any_mask_hold_its_pixels(
    seed: int, height: int, width: int, share: float
) -> None:
    """To the pixel: parts that touch at a corner, holes, holes that touch, islands in holes."""
    from zoo_segmentation_transforms.outlines import flatten_shape, outline_pixels, shape_of

    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)

    outlines = outline_pixels(mask)

    assert np.array_equal(_filled(outlines, height, width), mask)
    shape = shape_of(outlines)
    assert shape.area == mask.sum()
    assert np.array_equal(_filled(flatten_shape(shape), height, width), mask)


def test_outline_of_a_square_has_its_four_corners() -> None:
    """Pixel k is [k, k + 1), and a straight side has no point within."""
    from zoo_segmentation_transforms.outlines import outline_pixels

    mask = np.zeros((6, 6))
    mask[1:4, 2:5] = 1

    (outline,) = outline_pixels(mask)

    corners = {(2.0, 1.0), (5.0, 1.0), (5.0, 4.0), (2.0, 4.0)}
    assert {tuple(point) for point in outline.reshape(-1, 2).tolist()} == corners
    assert len(outline) == 8


def test_outline_of_a_large_mask_takes_as_many_points_as_its_border() -> None:
    """Not as its pixels: memory goes with the outline."""
    from zoo_segmentation_transforms.outlines import outline_pixels

    rows, columns = np.mgrid[:600, :600]
    mask = np.hypot(rows - 300, columns - 300) < 280

    (outline,) = outline_pixels(mask)

    assert len(outline) // 2 < 8 * 280
