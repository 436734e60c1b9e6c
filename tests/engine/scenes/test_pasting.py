# SPDX-License-Identifier: Apache-2.0
"""Masks laid over an image, against mmdet's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask

from zoo.engine.scenes.pasting import paste_mask

pytestmark = pytest.mark.mm

HEIGHT, WIDTH = 50, 70
BOXES = [
    (10.0, 12.0, 40.0, 33.0),
    (10.3, 12.7, 11.1, 13.2),
    (0.0, 0.0, 70.0, 50.0),
    (60.5, 40.25, 70.0, 50.0),
    (5.0, 5.0, 5.0, 5.0),
    (5.5, 5.0, 5.5, 30.0),
    (20.0, 8.0, 20.001, 45.0),
    (0.0, 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("cells", [(7, 7), (28, 28), (3, 5)])
def test_pixels_are_those_of_mmdet(
    box: tuple[float, float, float, float], cells: tuple[int, int]
) -> None:
    """Also of boxes at the border, and of those with no width or no area."""
    drawn = np.random.default_rng(7)
    shares = drawn.random(cells, np.float32)
    place = np.array(box, np.float32)

    found = paste_mask(shares, place, (HEIGHT, WIDTH), threshold=0.5)

    part, region = _do_paste_mask(
        torch.from_numpy(shares)[None, None], torch.from_numpy(place)[None], HEIGHT, WIDTH
    )
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[region] = (part[0] >= 0.5).numpy()
    pasted = np.zeros_like(expected)
    if found is not None:
        left, top, right, bottom = found.box
        pasted[top:bottom, left:right] = found.pixels
    assert np.array_equal(pasted, expected)


def test_mask_is_placed_in_its_scene() -> None:
    """The window's first column and row are added."""
    place = np.array((2, 3, 8, 9), np.float32)

    found = paste_mask(
        np.ones((4, 4), np.float32), place, (20, 20), threshold=0.5, left_px=100, top_px=1000
    )

    assert found is not None
    assert found.box == (102, 1003, 108, 1009)
