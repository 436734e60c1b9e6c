# SPDX-License-Identifier: Apache-2.0
"""Expected Dice against drawn truths, and how often a new group is within the interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_uncertainty.dice_estimate import (
    conformal_width,
    dice_of,
    expected_dice,
    largest_by_group,
)


@pytest.mark.parametrize("seed", range(5))
def test_expected_dice_is_the_mean_over_truths_drawn_from_the_probabilities(seed: int) -> None:
    generator = np.random.default_rng(seed)
    shares = generator.beta(0.4, 0.6, (40, 50))
    predicted = shares > 0.5

    drawn = [dice_of(predicted, generator.random(shares.shape) < shares) for _ in range(200)]

    assert expected_dice(shares, predicted) == pytest.approx(np.mean(drawn), abs=2e-3)


def test_nothing_predicted_has_no_expected_dice() -> None:
    nothing = np.zeros((2, 3), bool)

    assert expected_dice(np.full((2, 3), 0.2), nothing) is None
    assert dice_of(nothing, nothing) is None
    assert dice_of(nothing, ~nothing) == 0
    assert expected_dice(np.ones((2, 3)), ~nothing) == 1


@given(errors=st.lists(st.floats(0, 1), max_size=40), alpha=st.floats(0.01, 0.99))
def test_width_is_the_least_that_covers_enough(errors: list[float], alpha: float) -> None:
    """At least ``(n + 1) (1 - alpha)`` of the errors are within it, and of no smaller error."""
    width = conformal_width(errors, alpha)
    needed = (len(errors) + 1) * (1 - alpha)

    if width is None:
        assert needed > len(errors) - 1e-6
    else:
        assert sum(each <= width for each in errors) >= needed - 1e-6
        assert sum(each < width for each in errors) < needed + 1e-6


@pytest.mark.parametrize(("alpha", "count"), [(0.1, 19), (0.25, 11)])
def test_new_group_is_within_the_interval_as_often_as_stated(alpha: float, count: int) -> None:
    """Errors of groups without ties: exactly ceil((n + 1) (1 - alpha)) of n + 1 ranks are."""
    generator = np.random.default_rng(count)
    hits = 0
    for _ in range(4_000):
        errors = generator.gamma(1.0, 0.1, count + 1)
        width = conformal_width(errors[:-1].tolist(), alpha)
        assert width is not None
        hits += bool(errors[-1] <= width)

    stated = math.ceil(round((count + 1) * (1 - alpha), 9)) / (count + 1)
    assert hits / 4_000 == pytest.approx(stated, abs=3 * math.sqrt(stated * (1 - stated) / 4_000))


def test_group_counts_by_its_largest_error() -> None:
    errors = [("a", 0.1), ("b", -0.3), ("a", -0.2), ("b", 0.25)]

    assert largest_by_group(errors) == {"a": 0.2, "b": 0.3}
