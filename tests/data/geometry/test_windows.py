# SPDX-License-Identifier: Apache-2.0
"""Tiles cover a scene, chips hold their box, and a cut that could lose one is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import Tiling, chip_window, parse_tiling, tile_windows
from zoo.data.geometry.windows import tile_starts
from zoo.errors import DataError

LENGTHS = st.tuples(st.integers(1, 600), st.integers(2, 200)).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, pair[1] - 1))
)


@settings(deadline=None, max_examples=300)
@given(LENGTHS, st.floats(0, 1), st.floats(0, 1))
def test_tile_starts_when_stretch_is_no_longer_than_overlap_then_one_tile_holds_it(
    lengths: tuple[int, int, int], place: float, share: float
) -> None:
    """What makes the promise that no instance is lost; whole numbers and fractions alike."""
    length, tile, overlap = lengths
    stretch = min(overlap * share, length)
    begin = place * (length - stretch)

    starts = tile_starts(length, tile, overlap)

    size = min(tile, length)
    assert any(start <= begin and begin + stretch <= start + size + 1e-9 for start in starts)


@settings(deadline=None, max_examples=200)
@given(LENGTHS)
def test_tile_starts_when_any_then_from_edge_to_edge_and_no_tile_too_many(
    lengths: tuple[int, int, int],
) -> None:
    """One tile fewer could not share the overlap."""
    length, tile, overlap = lengths

    starts = tile_starts(length, tile, overlap)

    assert starts[0] == 0
    assert starts[-1] == max(0, length - tile)
    assert len(set(starts)) == len(starts)
    steps = [after - before for before, after in pairwise(starts)]
    assert all(step <= tile - overlap for step in steps)
    if len(starts) > 1:
        assert (len(starts) - 2) * (tile - overlap) + tile < length


def test_tile_windows_when_scene_is_smaller_then_one_window() -> None:
    """A tile larger than the image is the image."""
    (window,) = tile_windows(300, 200, parse_tiling("tiles", 512, 128))

    assert window.box == (0, 0, 300, 200)


def test_tile_windows_when_airbus_scene_then_49() -> None:
    """2560 px at 512 and 128: seven a side."""
    windows = list(tile_windows(2560, 2560, parse_tiling("tiles")))

    assert len(windows) == 49
    assert windows[-1].box == (2048, 2048, 2560, 2560)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_chip_window_when_any_box_then_whole_in_it(
    width: int, height: int, data: st.DataObject
) -> None:
    """Also at corners, and as large as the chip."""
    box = []
    for length in (width, height):
        side = data.draw(st.floats(0, min(64, length)))
        low = data.draw(st.floats(0, length - side))
        box.append((low, min(low + side, length)))
    (x1, x2), (y1, y2) = box

    found = chip_window((x1, y1, x2, y2), width, height, 66)

    left, top, right, bottom = found.box
    assert (found.width_px, found.height_px) == (min(66, width), min(66, height))
    assert 0 <= left <= x1 <= x2 <= right <= width
    assert 0 <= top <= y1 <= y2 <= bottom <= height


@pytest.mark.parametrize(
    ("tiling", "size", "says", "hint"),
    [
        (
            ("tiles", 512, 64),
            (2560, 2560, 70.2, 9),
            "overlap by 64 px: the largest box has 71 px",
            "--overlap 71.",
        ),
        (
            ("tiles", 100, 20),
            (2560, 2560, 9, 120),
            "the largest box has 120 px",
            "--tile-size 240 --overlap 120",
        ),
        (
            ("chips", 128),
            (2560, 2560, 140, 9),
            "chips of 128 px: the largest box has 140",
            "--tile-size 140.",
        ),
    ],
)
def test_check_fits_when_a_box_may_be_lost_then_the_needed_number_is_named(
    tiling: tuple[str, int], size: tuple[int, int, float, float], says: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        parse_tiling(*tiling).check_fits([(2560, 2560, 3, 3), size])

    assert says in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("tiling", "size"),
    [
        (("tiles", 512, 71), (2560, 2560, 70.2, 71)),
        (("tiles", 512, 0), (500, 400, 400, 300)),
        (("tiles", 512, 10), (500, 2560, 400, 10)),
        (("whole",), (2560, 2560, 2560, 2560)),
        (("chips", 140), (2560, 2560, 140, 9)),
    ],
)
def test_check_fits_when_no_box_can_be_lost_then_nothing(
    tiling: tuple[str, int], size: tuple[int, int, float, float]
) -> None:
    """An axis on which a scene has one tile needs no overlap."""
    parse_tiling(*tiling).check_fits([size])


@pytest.mark.parametrize(
    ("arguments", "says", "where"),
    [
        (
            ("strips",),
            "cannot cut scenes with the layout 'strips': expected tiles, chips, whole.",
            "--layout",
        ),
        (("tiles", 0), "cannot cut tiles of 0 px: expected 1..65535.", "--tile-size"),
        (("chips", 70000), "cannot cut chips of 70000 px", "--tile-size"),
        (
            ("tiles", 128, 128),
            "cannot overlap tiles of 128 px by 128 px: expected less.",
            "--overlap",
        ),
        (("tiles", 128, -1), "overlap tiles by -1 px: expected 0 or more.", "--overlap"),
        (("tiles", 128, 9, 1.5), "visible share 1.5: expected 0..1", "--min-visible"),
        (("tiles", 128, 9, float("nan")), "visible share nan", "--min-visible"),
    ],
)
def test_parse_tiling_when_wrong_then_the_option_is_named(
    arguments: tuple[str, int], says: str, where: str
) -> None:
    with pytest.raises(DataError) as caught:
        parse_tiling(*arguments)

    assert says in caught.value.message
    assert caught.value.where == where
    assert caught.value.hint


@pytest.mark.parametrize("tile_px", [2, 64, 512])
def test_parse_tiling_when_overlap_is_negative_then_hint_can_be_followed(tile_px: int) -> None:
    """Whatever the tiles, and without a word on their size."""
    with pytest.raises(DataError) as caught:
        parse_tiling("tiles", tile_px, -1)

    hint = str(caught.value.hint)
    assert "--tile-size" not in hint
    assert parse_tiling("tiles", tile_px, int(hint.rstrip(".").split()[-1]))


def test_parse_tiling_when_whole_or_chips_then_no_overlap() -> None:
    """What a layout does not use does not make two folders differ."""
    assert parse_tiling("whole", 99, 50) == Tiling("whole", 0, 0, 0.3)
    assert parse_tiling("chips", None, 50) == Tiling("chips", 128, 0, 0.3)


def test_side_that_rounding_makes_larger_fits_the_overlap() -> None:
    """A box of 6 px at 10.65 ends at 16.65, and the difference is a little more than 6."""
    top = 10.653142078003631
    side = (top + 6.0) - top
    assert side > 6

    Tiling("tiles", 7, 6, 1.0).check_fits([(30, 30, 2.0, side)])
    Tiling("chips", 6, 0, 1.0).check_fits([(30, 30, 2.0, side)])
    with pytest.raises(DataError, match="the largest box has 7 px"):
        Tiling("tiles", 7, 6, 1.0).check_fits([(30, 30, 2.0, 6.01)])
