# SPDX-License-Identifier: Apache-2.0
"""The order of images against a twin; gains never rise, and copies come last."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from zoo_uncertainty.selecting import order_of, shares_below

POINTS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=12
)


@given(points=POINTS)
def test_order_is_that_of_a_twin(points: list[tuple[float, float, float]]) -> None:
    places = [each[1:] for each in points]

    def apart(one: int, other: int) -> float:
        return math.dist(places[one], places[other]) / math.sqrt(2)

    pairs = [apart(i, j) for i, j in itertools.combinations(range(len(points)), 2)]
    unit = statistics.median(pairs) if pairs else 1.0
    chosen: list[int] = []

    order = order_of([each[0] for each in points], np.array(places))

    for index, gain in order:
        best = 0.0
        for other in set(range(len(points))) - set(chosen):
            nearest = min((apart(other, one) for one in chosen), default=math.inf)
            worth = points[other][0] * (min(1.0, nearest / unit) if unit > 0 else 1.0)
            best = max(best, worth)
        assert math.isclose(gain, best, rel_tol=1e-9, abs_tol=1e-12)
        chosen.append(index)
    assert sorted(chosen) == list(range(len(points)))
    gains = [gain for _, gain in order]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(gains))


def test_copy_of_the_best_image_comes_last() -> None:
    places = np.array([[0.0, 0], [0, 0], [3, 1], [-2, 4]])

    order = order_of([1.0, 0.9, 0.2, 0.3], places)

    assert order[0] == (0, 1.0)
    assert order[-1] == (1, 0.0)


@given(values=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=10))
def test_shares_below_are_counted(values: list[float]) -> None:
    counted = [
        (sum(o < v for o in values) + (sum(o == v for o in values) - 1) / 2)
        / max(1, len(values) - 1)
        for v in values
    ]

    assert np.allclose(shares_below(values), counted)
