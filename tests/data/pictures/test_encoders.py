# SPDX-License-Identifier: Apache-2.0
"""Written pictures, read back by Pillow and by rasterio."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from zoo.data import decode_image, encode_jpeg, encode_png
from zoo.errors import DataError

SIDE = st.integers(1, 9)


@settings(deadline=None, max_examples=60)
@given(SIDE, SIDE, st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_encode_png_when_read_back_then_each_sample_is_the_same(
    height: int, width: int, is_deep: bool, is_color: bool, seed: int
) -> None:
    """Both depths, grey and RGB, rows that are not contiguous too."""
    dtype = np.uint16 if is_deep else np.uint8
    shape = (height, 2 * width, 3)[: 2 + is_color]
    rng = np.random.default_rng(seed)
    image = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)[:, ::2]

    data = encode_png(image)

    found = decode_image(data, "a.png")
    assert found.dtype == dtype
    assert np.array_equal(found, image)


def test_encode_png_when_16_bit_grey_then_pillow_reads_the_same() -> None:
    image = np.arange(6, dtype=np.uint16).reshape(2, 3) * 13_000

    opened = Image.open(io.BytesIO(encode_png(image)))

    assert opened.mode.startswith("I")
    assert np.array_equal(np.asarray(opened), image)


def test_encode_png_when_16_bit_rgb_then_gdal_reads_the_same() -> None:
    memory_file = pytest.importorskip("rasterio.io").MemoryFile
    image = np.random.default_rng(0).integers(0, 2**16, (4, 5, 3), np.uint16)

    with memory_file(encode_png(image)) as memory, memory.open() as dataset:
        found = dataset.read()

    assert found.dtype == np.uint16
    assert np.array_equal(np.moveaxis(found, 0, 2), image)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_encode_jpeg_when_pillow_reads_it_then_colours_are_in_order(shape: tuple[int, ...]) -> None:
    """A smooth picture comes back within 8 steps; swapped channels would be off by 100."""
    y, x = np.mgrid[:40, :50]
    planes = np.stack([x * 4, y * 5, np.full_like(x, 30)], axis=2)
    image = (planes if len(shape) == 3 else planes[..., 0]).astype(np.uint8)

    opened = Image.open(io.BytesIO(encode_jpeg(image, quality=95)))

    assert opened.format == "JPEG"
    assert opened.mode == ("RGB" if len(shape) == 3 else "L")
    assert np.abs(np.asarray(opened).astype(int) - image).max() <= 8


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint16),
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4), np.bool_),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 1), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((65_501, 1), np.uint8),
    ],
)
def test_encode_jpeg_when_it_cannot_hold_the_picture_then_says_why(image: NDArray[Any]) -> None:
    with pytest.raises(DataError) as caught:
        encode_jpeg(image)

    assert str(image.shape) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4), np.int32), np.zeros((1, 0), "u1")]
)
def test_encode_png_when_the_type_or_shape_is_wrong_then_says_both(image: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="expected uint8 or uint16 of shape"):
        encode_png(image)


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_encode_jpeg_when_the_quality_is_no_percentage_then_refused(quality: int) -> None:
    with pytest.raises(DataError, match=r"expected 1\.\.100"):
        encode_jpeg(np.zeros((4, 4), np.uint8), quality=quality)
