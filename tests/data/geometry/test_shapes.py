# SPDX-License-Identifier: Apache-2.0
"""The ellipse in a box: inside it, of the right area, near the true outline."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
tools = pytest.importorskip("pycocotools.mask")

from zoo.data import box_polygon, ellipse_polygon, polygon_from_box  # noqa: E402 (after the skip)
from zoo.data.geometry.shapes import cut_polygon  # noqa: E402
from zoo.errors import DataError  # noqa: E402

SIDES = st.floats(2, 400)
PLACES = st.floats(-50, 2500)


def _points(polygon: list[float]) -> np.ndarray:
    return np.asarray(polygon).reshape(-1, 2)


def _shoelace(points: np.ndarray) -> float:
    x, y = points.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


@settings(deadline=None, max_examples=80)
@given(PLACES, PLACES, SIDES, SIDES)
def test_ellipse_polygon_when_any_box_then_inside_with_its_area(
    x: float, y: float, width: float, height: float
) -> None:
    """Never outside the box; pi/4 of it, up to the rounding of the vertices."""
    points = _points(ellipse_polygon((x, y, x + width, y + height)))

    low, high = points.min(axis=0), points.max(axis=0)
    assert (low >= [x - 0.005, y - 0.005]).all()
    assert (high <= [x + width + 0.005, y + height + 0.005]).all()
    assert len(points) % 4 == 0
    assert _shoelace(points) == pytest.approx(
        math.pi / 4 * width * height, abs=0.02 * (width + height)
    )


@settings(deadline=None, max_examples=40)
@example(7.75)
@example(17.5)
@given(st.floats(2, 400))
def test_ellipse_polygon_when_circle_then_outline_within_a_fifth_of_a_pixel(side: float) -> None:
    """Vertices are the farthest outside, middles of edges the farthest inside."""
    points = _points(ellipse_polygon((0, 0, side, side))) - side / 2
    middles = (points + np.roll(points, -1, axis=0)) / 2

    deviation = np.abs(np.linalg.norm(np.concatenate([points, middles]), axis=1) - side / 2)

    assert deviation.max() <= 0.21


@settings(deadline=None, max_examples=80)
@given(st.integers(3, 110), st.integers(3, 110))
def test_ellipse_polygon_when_drawn_then_as_many_pixels_as_the_ellipse(
    width: int, height: int
) -> None:
    """Within a quarter of a pixel along the outline: that is how pycocotools draws small ones."""
    box = (5, 4, 5 + width, 4 + height)

    rle = tools.merge(tools.frPyObjects([ellipse_polygon(box)], 120, 120))

    perimeter = math.pi * (width + height) / 2
    assert abs(int(tools.area(rle)) - math.pi / 4 * width * height) <= 0.25 * perimeter


def test_ellipse_polygon_when_as_large_as_real_tanks_then_area_within_four_percent() -> None:
    """From the median of the Airbus boxes, 18 px, to the largest, 108 px."""
    for side in range(18, 109):
        rle = tools.merge(
            tools.frPyObjects([ellipse_polygon((5, 4, 5 + side, 4 + side))], 120, 120)
        )

        assert int(tools.area(rle)) == pytest.approx(math.pi / 4 * side**2, rel=0.04)


@pytest.mark.parametrize(("side", "vertices"), [(2, 8), (18, 16), (108, 32)])
def test_ellipse_polygon_when_larger_then_more_vertices(side: int, vertices: int) -> None:
    """No more than the outline needs."""
    assert len(ellipse_polygon((0, 0, side, side))) == 2 * vertices


def test_polygon_from_box_when_narrow_or_asked_then_the_box() -> None:
    """An ellipse of 1 px might cover no pixel's centre."""
    assert polygon_from_box((3, 4, 4.5, 9), "ellipse") == box_polygon((3, 4, 4.5, 9))
    assert polygon_from_box((0, 0, 8, 9), "box") == [0, 0, 8, 0, 8, 9, 0, 9]


def test_polygon_from_box_when_unknown_then_refused() -> None:
    with pytest.raises(DataError, match="with 'disc': expected 'ellipse' or 'box'"):
        polygon_from_box((0, 0, 8, 9), "disc")


@pytest.mark.parametrize("side", [3e6, 1e9, 1e300, 1.7e308])
def test_ellipse_polygon_when_wild_then_finite_and_4096_vertices(side: float) -> None:
    """Whatever a file says, an outline is made at once; none of an image comes near the bound."""
    polygon = ellipse_polygon((-side, 100, side, 130))

    assert len(polygon) == 2 * 4096
    assert all(map(math.isfinite, polygon))
    assert len(ellipse_polygon((0, 0, 2e6, 2e6))) < 2 * 4096


CORNERS = st.lists(st.tuples(st.integers(-90, 90), st.integers(-90, 90)), min_size=3, max_size=9)


@settings(deadline=None, max_examples=150)
@given(CORNERS)
def test_cut_polygon_when_any_outline_then_the_same_mask_in_the_box(
    corners: list[tuple[int, int]],
) -> None:
    """As pixels, away from the box's own edge: crossed and concave outlines too."""
    polygon = [float(value) for corner in corners for value in corner]

    found = cut_polygon(polygon, (-40, -30, 60, 50)) or [0.0] * 6

    masks = [tools.decode(tools.frPyObjects([each], 24, 24))[..., 0] for each in (polygon, found)]
    assert int((masks[0] != masks[1]).sum()) <= 24  # rounding along edges that were cut
    points = _points(found)
    assert (points >= [-40, -30]).all()
    assert (points <= [60, 50]).all()


def test_cut_polygon_when_outside_then_nothing_and_when_inside_then_itself() -> None:
    assert cut_polygon([70, 0, 80, 0, 75, 9], (0, 0, 60, 50)) == []
    assert cut_polygon([7, 0, 8, 0, 7.5, 9], (0, 0, 60, 50)) == [7, 0, 8, 0, 7.5, 9]
    assert cut_polygon(box_polygon((-1e300, 2, 1e300, 5)), (0, 0, 60, 50)) == [
        *(0, 2, 60, 2, 60, 5, 0, 5),
    ]
