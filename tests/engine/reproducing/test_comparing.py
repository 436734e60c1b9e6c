# SPDX-License-Identifier: Apache-2.0
"""When a measured number is equal to a stated one."""

from __future__ import annotations

import pytest

from zoo.engine.reproducing.comparing import Comparison, allowed_difference, compare


def _asked(stated: float) -> Comparison:
    return Comparison(metric="m", dataset="d", split="test", unit="fraction", stated=stated)


@pytest.mark.parametrize(
    ("stated", "measured", "state"),
    [
        (0.9738, 0.97375, "equal"),
        (0.9738, 0.97394, "equal"),
        (0.9738, 0.9740, "differs"),
        (0.6115037216090721, 0.6115037216090721, "equal"),
        (0.6115037216090721, 0.6116, "equal"),
        (0.6115037216090721, 0.61175, "differs"),
        (1.0, 1.0, "equal"),
        (0.5, None, "not measured"),
        (0.5, float("nan"), "not measured"),
    ],
)
def test_equal_is_within_tolerance_and_rounding(
    stated: float, measured: float | None, state: str
) -> None:
    """Half of the last digit counts for a rounded number, and nothing for a whole one."""
    found = compare(_asked(stated), measured, 0.0001)

    assert found.state == state
    assert (found.reason is None) == (state != "not measured")


def test_rounding_of_a_value_in_percent_is_that_of_its_digits() -> None:
    assert allowed_difference(43.1, 0.2) == pytest.approx(0.25)
