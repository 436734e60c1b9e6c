# SPDX-License-Identifier: Apache-2.0
"""Masks in colours become ids by a rule that a loop over pixels states."""

from __future__ import annotations

import io
import pickle
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from zoo.data import IGNORE_INDEX, ColorEncoder, Pair, decode_image
from zoo.errors import DataError

CHANNEL = st.integers(0, 255)
COLOR = st.tuples(CHANNEL, CHANNEL, CHANNEL)
TABLE = st.dictionaries(COLOR, st.integers(0, 255), min_size=1, max_size=6)


def twin(
    mask: NDArray[np.uint8], colors: dict[tuple[int, int, int], int], tolerance: int
) -> list[list[int | None]]:
    """Return the ids pixel by pixel, as the docstring says; None for a colour near none."""

    def find(pixel: NDArray[np.uint8]) -> int | None:
        best: tuple[int, int | None] = (1 << 30, None)
        for color, label in colors.items():
            apart = [abs(int(a) - b) for a, b in zip(pixel, color, strict=True)]
            if max(apart) <= tolerance and sum(d * d for d in apart) < best[0]:
                best = sum(d * d for d in apart), label
        return best[1]

    return [[find(pixel) for pixel in row] for row in mask]


@settings(deadline=None, max_examples=150)
@given(TABLE, st.sampled_from([0, 1, 7, 40, 255]), st.integers(0, 2**32 - 1))
def test_ids_when_each_pixel_is_compared_by_a_loop_then_equal(
    colors: dict[tuple[int, int, int], int], tolerance: int, seed: int
) -> None:
    """Exact colours, colours a little off, and colours of no class, at each tolerance."""
    rng = np.random.default_rng(seed)
    listed = np.array(list(colors), np.int64)[rng.integers(len(colors), size=(5, 7))]
    off = rng.integers(-9, 10, (5, 7, 3)) * rng.integers(0, 2, (5, 7, 1))
    mask = np.clip(listed + off, 0, 255).astype(np.uint8)
    expected = twin(mask, colors, tolerance)

    encoder = ColorEncoder(colors, tolerance=tolerance, unlisted=IGNORE_INDEX)
    found, repairs = encoder.ids(mask, "a.png")

    spelled = [[IGNORE_INDEX if label is None else label for label in row] for row in expected]
    assert spelled == found.tolist()
    assert found.dtype == np.uint8
    is_exact = all(tuple(pixel) in colors for row in mask.tolist() for pixel in row)
    assert bool(repairs) is not is_exact


@settings(deadline=None, max_examples=60)
@given(TABLE, st.lists(COLOR, min_size=1, max_size=30))
def test_ids_when_colours_are_not_listed_then_each_is_counted_and_placed(
    colors: dict[tuple[int, int, int], int], painted: list[tuple[int, int, int]]
) -> None:
    """The most frequent first; x and y of the first pixel in reading order."""
    mask = np.array([painted], np.uint8)
    strange = Counter(color for color in painted if color not in colors)
    if not strange:
        assert ColorEncoder(colors).ids(mask, "a.png")[1] == []
        return

    with pytest.raises(DataError) as caught:
        ColorEncoder(colors).ids(mask, "a.png")

    named = re.findall(
        r"(\([\d, ]+\)) \((\d+) px, first at x=(\d+) y=(\d+)\)", caught.value.message
    )
    assert len(named) == min(len(strange), 8)
    for spelled, count, x, y in named:
        color = tuple(int(part) for part in re.findall(r"\d+", spelled))
        assert (int(count), int(x), int(y)) == (strange[color], painted.index(color), 0)
    more = f"and {len(strange) - 8} more"
    assert (more in caught.value.message) is (len(strange) > 8)


def test_ids_when_a_grey_mask_then_equal_channels() -> None:
    encoder = ColorEncoder({(0, 0, 0): 0, (128, 128, 128): 3})

    found, _ = encoder.ids(np.array([[0, 128]], np.uint8), "a.png")

    assert found.tolist() == [[0, 3]]


def test_ids_when_pillow_wrote_a_palette_mask_then_its_colours_count() -> None:
    """A palette PNG as labelling tools write it, decoded as colours."""
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    picture.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    stream = io.BytesIO()
    picture.save(stream, "PNG")

    mask = decode_image(stream.getvalue(), "a.png")
    found, _ = ColorEncoder({(0, 0, 0): 0, (200, 10, 10): 1, (10, 200, 10): 2}).ids(mask, "a.png")

    assert found.tolist() == [[0, 1], [2, 1]]


def test_ids_when_a_jpeg_blurred_the_mask_then_a_tolerance_reads_it() -> None:
    """Pillow's JPEG moves colours by a few steps; flat areas keep their ids."""
    truth = np.zeros((64, 64), np.uint8)
    truth[16:48, 16:48] = 1
    colors = np.array([(20, 20, 20), (60, 180, 220)], np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colors[truth]).save(stream, "JPEG", quality=95, subsampling=0)
    mask = decode_image(stream.getvalue(), "a.jpg")
    table = {(20, 20, 20): 0, (60, 180, 220): 1}

    found, repairs = ColorEncoder(table, tolerance=40).ids(mask, "a.jpg")

    assert np.array_equal(found, truth)
    assert repairs == ["pixels took the id of the nearest listed colour"]
    with pytest.raises(DataError, match="no class lists"):
        ColorEncoder(table).ids(mask, "a.jpg")


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((2, 2), np.uint16),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 1), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((2, 2, 3)),
    ],
)
def test_ids_when_the_mask_is_no_8_bit_picture_then_refused(mask: NDArray[Any]) -> None:
    with pytest.raises(DataError, match="expected 8-bit colours"):
        ColorEncoder({(0, 0, 0): 0}).ids(mask, "a.png")


@pytest.mark.parametrize(
    ("colors", "options", "part"),
    [
        ({}, {}, "found 0 colours"),
        ({(0, 0): 0}, {}, "a tuple of red, green and blue"),
        ({"red": 0}, {}, "a tuple of red, green and blue"),
        ({(0, 0, 256): 0}, {}, "the channel 256"),
        ({(0, 0, 0.5): 0}, {}, "the channel 0.5"),
        ({(0, 0, 0): 256}, {}, "the id 256"),
        ({(0, 0, 0): -1}, {}, "the id -1"),
        ({(0, 0, 0): True}, {}, "the id True"),
        ({(0, 0, 0): 10**400}, {}, "the id 1000"),
        ({(0, 0, 0): 0}, {"tolerance": -1}, "the tolerance -1"),
        ({(0, 0, 0): 0}, {"unlisted": 300}, "the id 300"),
    ],
)
def test_encoder_when_the_table_is_wrong_then_says_what(
    colors: dict[Any, Any], options: dict[str, int], part: str
) -> None:
    with pytest.raises(DataError) as caught:
        ColorEncoder(colors, **options)

    assert part in caught.value.message
    assert len(str(caught.value)) < 400


def test_encoder_when_threads_share_it_then_equal_and_it_can_be_pickled() -> None:
    """prepare calls it from threads, and a spawned worker gets a copy."""
    rng = np.random.default_rng(0)
    masks = [
        rng.integers(0, 2, (40, 40, 1), np.uint8) * np.full(3, 255, np.uint8) for _ in range(9)
    ]
    encoder = ColorEncoder({(0, 0, 0): 0, (255, 255, 255): 1})
    pair = Pair("a", "a", "a.png", ("a_mask.png",))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda mask: encoder([mask], pair)[0], masks))

    copy = pickle.loads(pickle.dumps(encoder))
    assert all(np.array_equal(a, copy([m], pair)[0]) for a, m in zip(found, masks, strict=True))
    with pytest.raises(DataError, match="found 2, expected 1"):
        encoder(masks[:2], pair)


def test_ids_when_every_pixel_differs_then_memory_is_bounded() -> None:
    """A photograph taken for a mask: 32,768 colours against a thousand, in 31 parts."""
    values = np.arange(2**15, dtype=np.int64)
    mask = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    colors = {(0, n % 256, n // 256): n % 9 for n in range(1000)}

    found, _ = ColorEncoder(colors, tolerance=3, unlisted=255).ids(mask.reshape(128, 256, 3), "a")

    picked = np.random.default_rng(1).integers(0, 2**15, 60)
    rows = twin(mask[picked][None], colors, 3)[0]
    assert [255 if row is None else row for row in rows] == found.ravel()[picked].tolist()
