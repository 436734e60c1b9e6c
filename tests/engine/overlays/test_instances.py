# SPDX-License-Identifier: Apache-2.0
"""Overlays of instances, told from their pixels: labels that never overlap, styles, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo.engine.overlays.instances import draw_instances
from zoo.engine.overlays.places import place_labels
from zoo.engine.overlays.style import OverlayStyle
from zoo.engine.scenes.roi_mask import RoiMask
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

COLOR = (220, 20, 60)
GREY = 90


def discs(
    count: int, side: int, radius: float, seed: int = 0
) -> tuple[list[RoiMask], NDArray[np.float64]]:
    """Return masks of discs that lie anywhere, and their boxes."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    masks = []
    for x, y in rng.uniform(radius, side - radius, (count, 2)):
        mask = RoiMask.cut((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)
        assert mask is not None
        masks.append(mask)
    return masks, np.array([mask.box for mask in masks], float).reshape(-1, 4)


def drawn(
    count: int = 3,
    side: int = 200,
    radius: float = 20,
    style: OverlayStyle | None = None,
    notes: tuple[str, ...] = (),
) -> NDArray[np.uint8]:
    masks, boxes = discs(count, side, radius)
    image = np.full((side, side), GREY, np.uint8)
    return draw_instances(
        image,
        boxes,
        np.zeros(count, int),
        np.full(count, 0.5),
        classes=("tank",),
        palette=(COLOR,),
        masks=masks,
        style=style,
        notes=notes,
    )


@pytest.mark.parametrize(
    ("count", "side", "radius"), [(1, 32, 5), (40, 400, 25), (200, 400, 9), (600, 300, 6)]
)
def test_labels_of_any_crowd_lie_in_the_picture_and_on_no_other(
    count: int, side: int, radius: float
) -> None:
    """Each label that is placed has its pixels to itself; in a crowd some have no place."""
    masks, boxes = discs(count, side, radius)
    busy = np.zeros((side, side), bool)
    for mask in masks:
        left, top, right, bottom = mask.box
        busy[top:bottom, left:right] |= mask.pixels

    places = place_labels(boxes, [[40, 24]] * count, 12, busy)

    taken = np.zeros((side, side), int)
    for place in places:
        if place is not None:
            width = (40, 24)[place.option]
            assert min(place.left, place.top) >= 0
            assert max(place.left + width, place.top + 12) <= side
            taken[place.top : place.top + 12, place.left : place.left + width] += 1
    assert taken.max() <= 1
    assert len(places) == count
    if count <= 40:
        assert sum(place is not None for place in places) >= 0.9 * count
    if count == 600:
        assert None in places


def test_label_of_a_small_object_leaves_it_visible() -> None:
    """It stands beside an object, not on it."""
    busy = np.zeros((60, 60), bool)
    busy[28:34, 28:34] = True

    (place,) = place_labels(np.array([[28.0, 28, 34, 34]]), [[24]], 11, busy)

    assert place is not None
    assert not busy[place.top : place.top + 11, place.left : place.left + 24].any()


def test_legend_counts_the_labels_that_are_left_out() -> None:
    """A crowd's strip is taller by the line that says so."""
    few, crowd = drawn(3, 300, 6), drawn(600, 300, 6)

    assert crowd.shape[0] > few.shape[0]


def test_contour_leaves_the_inside_as_it_was_and_fill_has_no_edge() -> None:
    """Both show both; opacity 1 is the bare colour."""
    (mask,), _ = discs(1, 200, 60)
    middle = (mask.top_px + 60, mask.left_px + 60)
    edge = (mask.top_px + 60, mask.left_px)

    contour = drawn(1, 200, 60, OverlayStyle("contour"))
    fill = drawn(1, 200, 60, OverlayStyle("fill", 0.5))
    solid = drawn(1, 200, 60, OverlayStyle("both", 1.0))

    half = [(GREY + value) / 2 for value in COLOR]
    assert contour[middle].tolist() == [GREY] * 3
    assert contour[edge].tolist() == pytest.approx(COLOR, abs=40)
    assert fill[middle].tolist() == pytest.approx(half, abs=1)
    assert np.abs(fill[edge].astype(int) - COLOR).max() > 40
    assert solid[middle].tolist() == list(COLOR)


def test_notes_stand_below_and_break_between_words() -> None:
    """A narrow picture's strip grows downwards."""
    short, long = drawn(notes=("a",)), drawn(notes=("word " * 40,))

    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0] + 40


@pytest.mark.parametrize("kind", ["", "edge", "Both"])
def test_style_of_another_name_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="expected both, contour or fill") as caught:
        OverlayStyle(kind)
    assert caught.value.where == "--overlay-style"


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan"), float("inf"), "0.5"])
def test_opacity_out_of_range_is_refused(opacity: float) -> None:
    with pytest.raises(ConfigError, match=r"expected 0\.\.1"):
        OverlayStyle("both", opacity)


def test_no_object_is_said_by_the_classes_name() -> None:
    """The picture is as it was."""
    overlay = drawn(0)

    assert (overlay[:200, :200] == GREY).all()
    assert (overlay[200:] > 200).any()


def test_boxes_are_drawn_where_there_are_no_masks() -> None:
    """Their edges in the class's colour, at the scale of a smaller picture."""
    image = np.full((100, 100), GREY, np.uint8)

    overlay = draw_instances(
        image,
        np.array([[100.0, 100, 300, 300]]),
        np.array([0]),
        np.array([0.9]),
        classes=("tank",),
        palette=(COLOR,),
        size=(500, 500),
    )

    assert overlay[40, 20].tolist() == pytest.approx(COLOR, abs=30)
    assert overlay[10, 10].tolist() == [GREY] * 3
    assert overlay[40, 40].tolist() != [GREY] * 3
    assert overlay[40, 40].tolist() != list(COLOR)
