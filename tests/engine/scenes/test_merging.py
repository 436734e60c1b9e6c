# SPDX-License-Identifier: Apache-2.0
"""Windows put together: discs whose places NumPy knows, cut by every seam and corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.data import Window, parse_tiling, tile_windows
from zoo.engine.scenes.merging import Detection, merge_windows
from zoo.engine.scenes.roi_mask import RoiMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

SIDE = 200
Found = list[tuple[Window, list[Detection]]]


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2


def see(
    mask: NDArray[np.bool_], window: Window, score: float = 0.9, class_id: int = 0
) -> Detection:
    """Return what a perfect model finds of a mask in a window; the mask must reach into it."""
    left, top, right, bottom = (int(side) for side in window.box)
    cut = RoiMask.cut(mask[top:bottom, left:right], left, top)
    assert cut is not None
    x1, y1, x2, y2 = cut.box
    return Detection((x1, y1, x2, y2), score, class_id, cut)


def look(masks: list[NDArray[np.bool_]], windows: list[Window]) -> Found:
    """Return what a perfect model finds in each window."""
    found: Found = []
    for window in windows:
        left, top, right, bottom = (int(side) for side in window.box)
        seen = [mask for mask in masks if mask[top:bottom, left:right].any()]
        found.append((window, [see(mask, window) for mask in seen]))
    return found


def pixels(detection: Detection) -> NDArray[np.bool_]:
    assert detection.mask is not None
    scene = np.zeros((SIDE, SIDE), bool)
    left, top, right, bottom = detection.mask.box
    scene[top:bottom, left:right] = detection.mask.pixels
    return scene


WINDOWS = list(tile_windows(SIDE, SIDE, parse_tiling("tiles", 80, 30)))


@pytest.mark.parametrize("step", [0, 3, 7, 11])
def test_discs_on_a_grid_over_all_seams_and_corners_are_found_once(step: int) -> None:
    """Discs of 24 px, smaller than the overlap of 30: each once, and whole."""
    centres = range(13 + step, SIDE - 12, 29)
    discs = [disc(x, y, 12) for y in centres for x in centres]

    merged = merge_windows(look(discs, WINDOWS), SIDE, SIDE)

    assert len(discs) == len(merged)
    assert sorted(d.tobytes() for d in discs) == sorted(pixels(m).tobytes() for m in merged)


def test_disc_larger_than_every_window_is_put_together_from_its_parts() -> None:
    """No window shows it whole: the union of the parts, with the best score."""
    large = disc(100, 100, 70)

    merged = merge_windows(look([large], WINDOWS), SIDE, SIDE)

    assert len(merged) == 1
    assert np.array_equal(large, pixels(merged[0]))
    assert merged[0].box == (30, 30, 170, 170)


def test_instances_that_one_window_tells_apart_stay_apart() -> None:
    """A small disc in a large one, and two that overlap by half, as the model itself kept them."""
    window = Window(0, 0, SIDE, SIDE)
    large, small = see(disc(50, 50, 30), window), see(disc(50, 50, 8), window)
    twins = see(disc(140, 140, 20), window), see(disc(152, 140, 20), window)
    found = [(window, [large, small, *twins])]

    assert len(merge_windows(found, SIDE, SIDE)) == 4


def test_small_disc_in_a_large_one_seen_by_two_windows_stays_two() -> None:
    """Both windows show both whole: pairs form by what agrees, not by what lies inside."""
    windows = [Window(0, 0, 120, SIDE), Window(20, 0, 180, SIDE)]
    found = look([disc(70, 70, 30), disc(70, 70, 9)], windows)

    merged = merge_windows(found, SIDE, SIDE)

    assert sorted(int(pixels(one).sum()) for one in merged) == sorted(
        int(disc(70, 70, radius).sum()) for radius in (30, 9)
    )


def test_whole_disc_wins_over_a_part_of_better_score() -> None:
    """The window whose edge cuts it may be surer, and is wrong about its size."""
    one, other = Window(0, 0, 100, SIDE), Window(60, 0, 140, SIDE)
    tank = disc(95, 60, 14)
    found = [(one, [see(tank, one, 0.99)]), (other, [see(tank, other, 0.7)])]

    merged = merge_windows(found, SIDE, SIDE)

    assert [pytest.approx(0.7)] == [detection.score for detection in merged]
    assert np.array_equal(tank, pixels(merged[0]))


def test_thin_part_that_is_off_by_a_pixel_joins_the_whole() -> None:
    """Of 3 px that an edge leaves, one more or less is a third; the smaller one counts."""
    one, other = Window(0, 0, 100, SIDE), Window(60, 0, 140, SIDE)
    tank = disc(109, 60, 12)
    sliver = see(tank, one)
    assert sliver.mask is not None
    grown = np.pad(sliver.mask.pixels, ((2, 2), (2, 0)), mode="edge")
    off = RoiMask.cut(grown, sliver.mask.left_px - 2, sliver.mask.top_px - 2)
    found = [(one, [Detection(sliver.box, 0.9, 0, off)]), (other, [see(tank, other)])]

    assert len(merge_windows(found, SIDE, SIDE)) == 1


def test_detections_of_two_classes_are_two() -> None:
    """Whatever they share."""
    one, other = Window(0, 0, 120, SIDE), Window(60, 0, 140, SIDE)
    tank = disc(90, 60, 14)
    found = [(one, [see(tank, one)]), (other, [see(tank, other, class_id=1)])]

    assert {0, 1} == {detection.class_id for detection in merge_windows(found, SIDE, SIDE)}


def test_boxes_without_masks_are_merged_by_their_boxes() -> None:
    """As a detector gives them."""
    one, other = Window(0, 0, 120, SIDE), Window(60, 0, 140, SIDE)
    found = [
        (one, [Detection((80.2, 50.1, 104.0, 74.3), 0.8, 0, None)]),
        (other, [Detection((80.6, 50.0, 104.2, 74.0), 0.9, 0, None)]),
    ]

    merged = merge_windows(found, SIDE, SIDE)

    assert [detection.box for detection in merged] == [(80.6, 50.0, 104.2, 74.0)]
    assert merged[0].mask is None


def test_best_score_comes_first_and_nothing_gives_nothing() -> None:
    """The order of results."""
    window = Window(0, 0, SIDE, SIDE)
    found = [(window, [see(disc(30 * i, 30, 9), window, 0.1 * i) for i in (1, 3, 2)])]

    assert [pytest.approx(d.score) for d in merge_windows(found, SIDE, SIDE)] == [0.3, 0.2, 0.1]
    assert merge_windows([(window, [])], SIDE, SIDE) == []
    assert merge_windows([], SIDE, SIDE) == []
