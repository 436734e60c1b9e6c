# SPDX-License-Identifier: Apache-2.0
"""Outlines: kept as they are, mended and counted if they cross themselves, dropped without area."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_label_exchange.masks import polygons_area
from zoo_label_exchange.shapes import (
    CROSSES,
    NO_AREA,
    NO_NUMBER,
    ellipse,
    read_outline,
    rotated_box,
)

from zoo.data import Report

BOW_TIE = [(0, 0), (4, 4), (4, 0), (0, 4)]


def test_outline_that_crosses_itself_becomes_its_parts() -> None:
    """A bow tie is two triangles of 4 px^2 each."""
    report = Report()

    found = read_outline(BOW_TIE, "a:1", report)

    assert [polygons_area([polygon]) for polygon in found] == [4.0, 4.0]
    assert [(line.file, line.text) for line in report.repaired] == [("a:1", CROSSES)]


def test_outline_that_meets_itself_keeps_its_hole() -> None:
    """A ring drawn in one stroke, with the cut of a keyhole, is a ring."""
    outer, inner = (
        [(0, 0), (9, 0), (9, 9), (0, 9), (0, 0)],
        [(3, 3), (3, 6), (6, 6), (6, 3), (3, 3)],
    )

    found = read_outline([*outer, *inner], "a:1", Report())

    assert polygons_area(found) == 81 - 9


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([(0, 0), (4, 4)], NO_AREA),
        ([(0, 0), (4, 4), (0, 0)], NO_AREA),
        ([(0, 0), (2, 2), (4, 4)], NO_AREA),
        ([(0, 0), (2, math.nan), (4, 0)], NO_NUMBER),
        ([(0, 0), (2, 1e12), (4, 0)], NO_NUMBER),
        ([(0, 0), (2,), (4, 0)], NO_NUMBER),
        ([(0, 0), ("2", None), (4, 0)], NO_NUMBER),
        ([], NO_AREA),
    ],
)
def test_outline_of_nothing_is_left_out_and_counted(
    points: list[tuple[object]], reason: str
) -> None:
    report = Report()

    assert read_outline(points, "a:1", report) == ()
    assert [line.text for line in report.dropped] == [reason]


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=9))
def test_any_outline_is_kept_mended_or_counted(points: list[tuple[int, int]]) -> None:
    """Kept ones have their points; every other is one line of the report."""
    report = Report()

    found = read_outline(points, "a:1", report)

    assert len(report.dropped) == (not found)
    if not report.repaired and found:
        closed = len(points) > 1 and points[0] == points[-1]
        flat = [value for point in (points[:-1] if closed else points) for value in point]
        assert [list(polygon.outline) for polygon in found] == [flat]
    assert all(polygons_area([polygon]) > 0 for polygon in found)


def test_turns_are_clockwise_on_the_screen() -> None:
    """A quarter turn about its upper left corner sends a box's right side down."""
    assert rotated_box((2, 3, 6, 5), (2, 3), 90) == [
        pytest.approx(corner) for corner in [(2, 3), (2, 7), (0, 7), (0, 3)]
    ]


@given(st.floats(0, 360), st.floats(1, 20), st.floats(1, 20))
def test_ellipse_lies_on_its_curve(turn: float, width: float, height: float) -> None:
    cos, sin = math.cos(math.radians(-turn)), math.sin(math.radians(-turn))
    for x, y in ellipse((5, 6), (width, height), turn):
        back = ((x - 5) * cos - (y - 6) * sin, (x - 5) * sin + (y - 6) * cos)
        assert (back[0] / width) ** 2 + (back[1] / height) ** 2 == pytest.approx(1)
