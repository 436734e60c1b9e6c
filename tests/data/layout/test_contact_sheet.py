# SPDX-License-Identifier: Apache-2.0
"""A contact sheet shows images of every split with their labels over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import (
    Report,
    check_prepared,
    decode_image,
    draw_legend,
    draw_overlay,
    read_prepared,
    show_prepared,
)
from zoo.data.layout.contact_sheet import choose_files
from zoo.errors import DataError

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")


@pytest.fixture
def prepared(make_raw: Callable[..., Path], prepare: Callable[..., Report], tmp_path: Path) -> Path:
    prepare(make_raw(), tmp_path / "out")
    return tmp_path / "out"


def test_show_prepared_when_run_then_sheet_of_tiles_in_colour(
    prepared: Path, tmp_path: Path
) -> None:
    """Its size follows from the tiles, and the class colour is in it."""
    path = show_prepared(prepared, tmp_path / "sheet", count=6, columns=3, tile_px=64)

    sheet = decode_image(path.read_bytes(), "sheet")
    assert path == tmp_path / "sheet" / "contact_sheet.png"
    assert sheet.shape == (2 * (64 + 8 + 22) + 8 + 28, 3 * (64 + 8) + 8, 3)
    assert (sheet == (0, 158, 115)).all(axis=2).any()
    assert (
        path.read_bytes()
        == show_prepared(
            prepared, tmp_path / "again.png", count=6, columns=3, tile_px=64
        ).read_bytes()
    )
    assert check_prepared(prepared) == []


def test_show_prepared_when_out_is_inside_then_refused(prepared: Path) -> None:
    """A sheet in the folder would be a stranger to it."""
    with pytest.raises(DataError, match="into the prepared folder itself"):
        show_prepared(prepared, prepared / "sheet")


@pytest.mark.parametrize("count", [1, 3, 7, 24, 100])
def test_choose_files_when_count_given_then_spread_over_splits(prepared: Path, count: int) -> None:
    """As many as asked for, of each split at least one, none twice."""
    chosen = choose_files(read_prepared(prepared), count)

    assert min(max(count, 3), 24) == len(chosen) == len({row.stem for row in chosen})
    assert {"train", "val", "test"} == {row.split for row in chosen}


def test_draw_overlay_when_labelled_then_fill_and_contour() -> None:
    """Inside, the mean of picture and colour; on the edge, the colour; outside, nothing."""
    image = np.full((40, 40), 100, np.uint8)
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 10:30] = 1
    labels[35:, 35:] = 255

    drawn = draw_overlay(image, labels, [(0, 0, 0), (200, 0, 50)], opacity=0.5)

    assert drawn[20, 20].tolist() == [150, 50, 75]
    assert np.abs(drawn[10, 20].astype(int) - (200, 0, 50)).max() < 15  # smoothed
    assert [100, 100, 100] == drawn[0, 0].tolist() == drawn[39, 39].tolist()


def test_draw_legend_when_names_are_many_then_wrapped() -> None:
    """A narrow strip takes more rows, and each class has its swatch."""
    names = [f"class {number}" for number in range(6)]
    palette = [(10 * number + 5, 0, 200) for number in range(6)]

    wide, narrow = draw_legend(names, palette, 900), draw_legend(names, palette, 120)

    assert wide.shape[0] < narrow.shape[0]
    for color in palette:
        assert (narrow == color).all(axis=2).sum() >= 100


def test_legend_of_hostile_names_is_that_of_their_escapes() -> None:
    """What no letter stands for is drawn as Python spells it; a legend has an end."""
    from zoo.data import draw_legend

    palette = [(0, 0, 0), (255, 0, 0)]

    drawn = draw_legend(("a\x1b[2J", "b\nc"), palette, 400)
    plain = draw_legend(("a\\x1b[2J", "b\\nc"), palette, 400)
    many = draw_legend([f"class {n}" for n in range(100_000)], [(9, 9, 9)] * 100_000, 400)
    long = draw_legend(("x" * 10**6, "b"), palette, 400)

    assert np.array_equal(drawn, plain)
    assert max(many.shape[0], long.shape[0]) < 4_000
