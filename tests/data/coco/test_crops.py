# SPDX-License-Identifier: Apache-2.0
"""Masks cropped to their boxes without the whole image, against pycocotools."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as tools

from zoo.data import crop_of_rle


@st.composite
def _masks(draw: Any) -> NDArray[np.uint8]:
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return (random.random((height, width)) < share).astype(np.uint8)


@given(mask=_masks(), kind=st.sampled_from(["bytes", "text", "numbers"]))
def test_crop_put_back_in_its_place_is_the_mask(mask: NDArray[np.uint8], kind: str) -> None:
    """Whatever the form of the runs; the first and last rows and columns hold a pixel."""
    rle: dict[str, Any] = tools.encode(np.asfortranarray(mask))
    if kind == "text":
        rle = {**rle, "counts": rle["counts"].decode()}
    if kind == "numbers":
        ends = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=0, append=2))
        rle = {**rle, "counts": np.diff(ends, prepend=0).tolist()}

    pixels, left, top = crop_of_rle(rle)

    found = np.zeros_like(mask)
    height, width = pixels.shape
    found[top : top + height, left : left + width] = pixels
    np.testing.assert_array_equal(found, mask)
    assert pixels.dtype == np.uint8
    edges = [] if not mask.any() else [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all(edge.any() for edge in edges)
    assert mask.any() or pixels.size == 0
