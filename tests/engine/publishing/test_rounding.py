# SPDX-License-Identifier: Apache-2.0
"""Published values keep the digits that their number of images supports."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.engine.publishing.rounding import decimals_of, rounded_rows


@given(st.integers(1, 10**10))
def test_decimals_when_images_are_counted_then_the_last_digit_is_below_the_error(
    images: int,
) -> None:
    """Between a 50th and a 500th of 0.5 / sqrt(n), where the limits of 3 and 6 allow it."""
    error = 0.5 / math.sqrt(images)

    decimals = decimals_of(images)

    assert 3 <= decimals <= 6
    if decimals > 3:
        assert 10**-decimals >= error / 501
    if decimals < 6:
        assert 10**-decimals <= error / 49


@pytest.mark.parametrize(
    ("images", "decimals"),
    [(None, 4), (1, 3), (100, 3), (101, 4), (10_000, 4), (10_001, 5), (10**6, 5), (10**9, 6)],
)
def test_decimals_at_each_limit_are_those_of_the_rule(images: int | None, decimals: int) -> None:
    assert decimals_of(images) == decimals


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"value": 0.973_812_4, "images": 24}, 0.974),
        ({"value": 0.973_812_4, "images": 2400}, 0.9738),
        ({"value": 0.973_812_4}, 0.9738),
        ({"value": 97.381_24, "unit": "percent", "images": 24}, 97.4),
        ({"value": 97.381_24, "unit": "percent", "images": 2400}, 97.38),
        ({"value": 0.381_24, "unit": "percent", "images": 24}, 0.4),
        ({"value": 12.345_678, "unit": "px", "images": 24}, 12.35),
        ({"value": 123_456.789, "unit": "count", "images": 24}, 123_457.0),
        ({"value": -3.141_592, "images": 24}, -3.142),
        ({"value": 0.0, "images": 24}, 0.0),
        ({"value": 1.0, "images": 24}, 1.0),
    ],
)
def test_rounded_when_units_differ_then_digits_are_those_of_the_unit(
    row: dict[str, object], value: float
) -> None:
    """Everything else in a row is kept."""
    full = {"name": "m", "split": "test", **row}

    (found,) = rounded_rows([full])

    expected = value if "count" not in row.values() else round(123_456.789, 0)
    assert found == {**full, "value": expected}
