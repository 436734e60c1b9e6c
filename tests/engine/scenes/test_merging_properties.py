# SPDX-License-Identifier: Apache-2.0
"""Windows of drawn scenes put together: nothing twice, nothing lost, in whatever order it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.data import Window, parse_tiling, tile_windows
from zoo.engine.scenes.merging import Detection, merge_windows
from zoo.engine.scenes.roi_mask import RoiMask

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

SIDE, TILE, OVERLAP = 200, 80, 34
SLIVER_PX = 8  # of less than this, beside an edge, no network makes an instance
WINDOWS = list(tile_windows(SIDE, SIDE, parse_tiling("tiles", TILE, OVERLAP)))
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] + 0.5
Found = list[tuple[Window, list[Detection]]]
SETTINGS = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def drawn(rng: np.random.Generator, count: int, large: bool) -> list[NDArray[np.bool_]]:
    """Return discs that may touch and never overlap, one larger than a window first if asked."""
    placed: list[tuple[float, float, float]] = []
    if large:
        placed.append((*rng.uniform(80, 120, 2), rng.uniform(45, 60)))
    for _ in range(20 * count):
        radius = rng.uniform(7, 14)
        x, y = rng.uniform(radius, SIDE - radius, 2)
        if all(np.hypot(x - a, y - b) >= radius + r + 0.5 for a, b, r in placed):
            placed.append((x, y, radius))
        if len(placed) == count:
            break
    # Beside the first two, one that touches: their masks share an edge.
    for x, y, radius in placed[large : large + 2]:
        beside = (x + 2 * radius + 0.5, y, radius)
        if beside[0] + radius <= SIDE and all(
            np.hypot(beside[0] - a, y - b) >= radius + r for a, b, r in placed
        ):
            placed.append(beside)
    return [disc(*one) for one in placed]


def cut(mask: NDArray[np.bool_], window: Window) -> RoiMask | None:
    left, top, right, bottom = (int(side) for side in window.box)
    return RoiMask.cut(mask[top:bottom, left:right], left, top)


def as_detection(mask: RoiMask, score: float, class_id: int = 0) -> Detection:
    x1, y1, x2, y2 = mask.box
    return Detection((x1, y1, x2, y2), score, class_id, mask)


def shaken(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask that is off as a network's is: moved, grown or shrunk by a pixel."""
    padded = np.pad(mask, 3)
    moved: NDArray[np.bool_] = np.roll(padded, rng.integers(-1, 2, 2), axis=(0, 1))
    grown = rng.integers(-1, 2)
    around = [np.roll(moved, step, axis) for axis in (0, 1) for step in (-1, 1)]
    if grown > 0:
        moved = np.logical_or.reduce([moved, *around])
    elif grown < 0:
        moved = np.logical_and.reduce([moved, *around])
    return moved[3:-3, 3:-3]


def is_inside(mask: NDArray[np.bool_], window: Window, margin: int = 4) -> bool:
    """Whether a window shows a disc whole, and no edge that is not the scene's near it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top, right, bottom = window.box
    return bool(
        (columns[0] >= left + margin or left == 0)
        and (rows[0] >= top + margin or top == 0)
        and (columns[-1] < right - margin or right == SIDE)
        and (rows[-1] < bottom - margin or bottom == SIDE)
    )


def seen(masks: list[NDArray[np.bool_]], rng: np.random.Generator) -> Found:
    """Return what a network that errs finds in each window.

    Every mask is shaken; a window whose edge cuts a disc may find a piece of it beside it, miss it,
    or find the same thing twice; of the windows that show a disc whole, one at least finds it.
    """
    found: Found = [(window, []) for window in WINDOWS]
    for mask in masks:
        whole = [index for index, window in enumerate(WINDOWS) if is_inside(mask, window)]
        sure = rng.choice(whole) if whole else None
        for index, (window, detections) in enumerate(found):
            view, true = cut(shaken(mask, rng), window), cut(mask, window)
            if view is None or true is None or min(true.pixels.shape) < SLIVER_PX:
                continue
            if whole and index != sure and rng.random() < 0.3:
                continue
            detections.append(as_detection(view, rng.uniform(0.3, 1)))
            if whole and not is_inside(mask, window, 0):
                detections += pieces(true, rng)
            if rng.random() < 0.2:
                again = cut(shaken(mask, rng), window)
                detections += [] if again is None else [as_detection(again, rng.uniform(0.1, 1))]
    return found


def pieces(view: RoiMask, rng: np.random.Generator) -> list[Detection]:
    """Return a part of what an edge cuts, as a second box on it gives."""
    height, width = view.pixels.shape
    kept = view.pixels.copy()
    if rng.random() < 0.5:
        kept[:, : width // 2] = False
    else:
        kept[: height // 2] = False
    piece = RoiMask.cut(kept, view.left_px, view.top_px)
    if piece is None or min(*piece.pixels.shape, piece.area_px / SLIVER_PX) < SLIVER_PX:
        return []
    return [as_detection(piece, rng.uniform(0.3, 1))]


def spread(detection: Detection) -> NDArray[np.bool_]:
    assert detection.mask is not None
    scene = np.zeros((SIDE, SIDE), bool)
    left, top, right, bottom = detection.mask.box
    scene[top:bottom, left:right] = detection.mask.pixels
    return scene


def ious(one: list[NDArray[np.bool_]], other: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Return ``(M, N)``, by counting pixels of the whole scene."""
    first, second = (np.array(m).reshape(len(m), -1).astype(np.float64) for m in (one, other))
    both = first @ second.T
    found: NDArray[np.float64] = both / (first.sum(1)[:, None] + second.sum(1)[None] - both)
    return found


@SETTINGS
@given(seed=st.integers(0, 10**6), count=st.integers(1, 14), large=st.booleans())
def test_noisy_views_of_discs_give_each_disc_once(seed: int, count: int, large: bool) -> None:
    """Every disc has one instance over it, no two instances share half, and none is left over."""
    rng = np.random.default_rng(seed)
    masks = drawn(rng, count, large)

    merged = [spread(one) for one in merge_windows(seen(masks, rng), SIDE, SIDE)]

    among = ious(merged, merged) - np.eye(len(merged))
    assert among.max(initial=0) <= 0.5
    matched = ious(merged, masks) >= 0.5
    assert matched.sum(axis=0).tolist() == [1] * len(masks)
    assert matched.sum(axis=1).tolist() == [1] * len(merged)


@SETTINGS
@given(seed=st.integers(0, 10**6), count=st.integers(1, 14), large=st.booleans())
def test_perfect_views_of_discs_give_the_discs(seed: int, count: int, large: bool) -> None:
    """To the pixel, whole or put together."""
    masks = drawn(np.random.default_rng(seed), count, large)
    found: Found = []
    for window in WINDOWS:
        views = [view for view in (cut(mask, window) for mask in masks) if view is not None]
        found.append((window, [as_detection(view, 0.9) for view in views]))

    merged = [spread(one) for one in merge_windows(found, SIDE, SIDE)]

    assert sorted(one.tobytes() for one in merged) == sorted(mask.tobytes() for mask in masks)


@SETTINGS
@given(seed=st.integers(0, 10**6), count=st.integers(1, 10), scores=st.sampled_from([1, 2, 100]))
def test_order_of_windows_and_detections_does_not_matter(
    seed: int, count: int, scores: int
) -> None:
    """The same instances, scores and order come out; equal scores are no exception."""
    rng = np.random.default_rng(seed)
    found = seen(drawn(rng, count, large=bool(seed % 2)), rng)
    rounded = [
        (
            window,
            [
                as_detection(d.mask, np.ceil(d.score * scores) / scores)
                for d in detections
                if d.mask
            ],
        )
        for window, detections in found
    ]
    shuffled = [(window, list(rng.permutation(np.array(d, object)))) for window, d in rounded]
    shuffled = [shuffled[index] for index in rng.permutation(len(shuffled))]

    one, other = (merge_windows(views, SIDE, SIDE) for views in (rounded, shuffled))

    assert [facts(d) for d in one] == [facts(d) for d in other]


def facts(detection: Detection) -> tuple[object, ...]:
    return detection.score, detection.class_id, detection.box, spread(detection).tobytes()


@SETTINGS
@given(seed=st.integers(0, 10**6), count=st.integers(1, 30))
def test_any_detections_at_all_leave_no_pair_that_shares_half(seed: int, count: int) -> None:
    """Of one class: rectangles of any place, size and class, in windows or cut by them."""
    rng = np.random.default_rng(seed)
    found: Found = [(window, []) for window in WINDOWS]
    for _ in range(count):
        x, y = rng.integers(0, SIDE - 6, 2)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[y : y + rng.integers(3, 60), x : x + rng.integers(3, 60)] = True
        class_id = int(rng.integers(0, 2))
        for window, detections in found:
            view = cut(shaken(mask, rng), window)
            if view is not None:
                detections.append(as_detection(view, rng.uniform(0, 1), class_id))

    merged = merge_windows(found, SIDE, SIDE)

    for class_id in (0, 1):
        masks = [spread(one) for one in merged if one.class_id == class_id]
        if masks:
            assert (ious(masks, masks) - np.eye(len(masks))).max() <= 0.5


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("piece", [0, 4, 8])
def test_tank_whole_in_two_windows_and_cut_with_a_piece_by_a_third_is_one(
    shift: int, piece: int
) -> None:
    """Both whole copies are one instance, whatever the window found that cuts it."""
    windows = list(tile_windows(160, 160, parse_tiling("tiles", 100, 40)))
    tank, again = disc(80, 58, 8), disc(80 + shift, 58, 8)
    left_over = again & (ROWS >= 60) & (piece + COLUMNS >= 80)
    first, second, third = (cut(m, w) for m, w in zip((tank, again, tank), windows, strict=False))
    fragment = cut(left_over, windows[2])
    assert first is not None
    assert second is not None
    assert third is not None
    assert fragment is not None
    found = [
        (windows[0], [as_detection(first, 0.99)]),
        (windows[1], [as_detection(second, 0.98)]),
        (windows[2], [as_detection(third, 0.9), as_detection(fragment, 0.8)]),
        (windows[3], []),
    ]

    merged = merge_windows(found, 160, 160)

    assert [pytest.approx(0.99)] == [one.score for one in merged]
