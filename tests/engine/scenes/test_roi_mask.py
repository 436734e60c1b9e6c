# SPDX-License-Identifier: Apache-2.0
"""Masks in their boxes, against NumPy on whole scenes and pycocotools' own encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zoo.data import Window
from zoo.engine.scenes.roi_mask import RoiMask, unite

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))
PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def spread(mask: RoiMask, height: int, width: int) -> NDArray[np.bool_]:
    scene = np.zeros((height, width), bool)
    left, top, right, bottom = mask.box
    scene[top:bottom, left:right] = mask.pixels
    return scene


@settings(deadline=None)
@given(mask=MASKS, left=st.integers(0, 3), top=st.integers(0, 3), rest=st.integers(0, 3))
def test_rle_when_encoded_from_its_box_is_that_of_pycocotools(
    mask: NDArray[np.bool_], left: int, top: int, rest: int
) -> None:
    """Byte for byte, wherever the mask lies, at the scene's edges too."""
    from pycocotools import mask as tools

    height, width = top + mask.shape[0] + rest, left + mask.shape[1] + rest
    scene = np.zeros((height, width), np.uint8, order="F")
    scene[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    cut = RoiMask.cut(mask, left, top)

    assert (cut is None) == (not mask.any())
    if cut is not None:
        assert cut.to_rle(height, width) == tools.encode(scene)
        assert cut.area_px == mask.sum()
        assert np.array_equal(spread(cut, height, width), scene.astype(bool))


@settings(deadline=None)
@given(pair=PAIRS, data=st.data())
def test_areas_and_union_when_compared_with_whole_scenes_are_equal(
    pair: tuple[NDArray[np.bool_], NDArray[np.bool_]], data: st.DataObject
) -> None:
    """What is shared, what lies in a window, and the union, by NumPy."""
    height, width = pair[0].shape
    one, other = (RoiMask.cut(mask) for mask in pair)
    if one is None or other is None:
        return
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))

    assert one.shared_with(other) == (pair[0] & pair[1]).sum()
    window = Window(left, top, right - left, bottom - top)
    assert one.area_in(window) == pair[0][top:bottom, left:right].sum()
    assert np.array_equal(spread(unite([one, other]), height, width), pair[0] | pair[1])


def test_masks_that_lie_apart_share_nothing() -> None:
    """Also where their boxes have no row or column in common."""
    here = RoiMask(np.ones((2, 3), bool), 0, 0)

    assert here.shared_with(RoiMask(np.ones((4, 4), bool), 50, 0)) == 0
    assert here.shared_with(RoiMask(np.ones((4, 4), bool), 0, 50)) == 0
    assert here.area_in(Window(10, 10, 5, 5)) == 0
