# SPDX-License-Identifier: Apache-2.0
"""The guarantee holds over many draws; thresholds are those of a twin and of MAPIE."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_uncertainty.risk_control import (
    THRESHOLDS,
    count_missed,
    find_threshold,
    least_groups,
    missed_share,
)

Array = np.ndarray[Any, Any]
SOURCES = Path(sys.prefix) / "oracles" / "mapie"


def draw_groups(count: int, generator: np.random.Generator) -> Array:
    """Return the missed shares of groups, each as good as its own patient lets it be."""
    offsets = generator.normal(1.0, 1.5, count)
    rows = []
    for offset in offsets:
        pixels = int(generator.integers(5, 60))
        logits = generator.normal(offset, 1.0, pixels)
        rows.append(count_missed(1 / (1 + np.exp(-logits))) / pixels)
    return np.stack(rows)


@pytest.mark.parametrize(("alpha", "count"), [(0.1, 12), (0.2, 30), (0.35, 5)])
def test_expected_missed_share_of_a_new_group_is_at_most_alpha(alpha: float, count: int) -> None:
    """On average over 2,000 calibrations, each with a new group; within three standard errors.

    The bound is nearly used: what is missed is less by 2 / (n + 1) at most, and a step of the grid.
    """
    generator = np.random.default_rng(count)
    pool = draw_groups(4_000, generator)
    missed = []
    for _ in range(2_000):
        chosen = generator.choice(len(pool), count + 1, replace=False)
        threshold = find_threshold(pool[chosen[:-1]], alpha)
        assert threshold is not None
        missed.append(float(missed_share(pool[chosen[-1:]], threshold)[0]))

    error = np.std(missed) / math.sqrt(len(missed))
    assert np.mean(missed) <= alpha + 3 * error
    assert np.mean(missed) >= alpha - 2 / (count + 1) - 3 * error - 0.01


@given(
    shares=st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=20), min_size=1, max_size=25),
    alpha=st.floats(0.02, 0.9),
)
def test_threshold_is_the_highest_one_that_a_twin_allows(
    shares: list[list[float]], alpha: float
) -> None:
    groups = [np.array(each, np.float32) for each in shares]
    allowed = None
    for threshold in THRESHOLDS[:: len(THRESHOLDS) // 40]:
        risk = sum(float((each < threshold).mean()) for each in groups) / len(groups)
        if len(groups) / (len(groups) + 1) * risk + 1 / (len(groups) + 1) <= alpha:
            allowed = float(threshold)

    missed = np.stack([count_missed(each) / len(each) for each in groups])
    found = find_threshold(missed, alpha)

    if allowed is None:
        assert found is None or found < THRESHOLDS[len(THRESHOLDS) // 40]
    else:
        assert found is not None
        assert found >= allowed
        at = [float((each < np.float32(found)).mean()) for each in groups]
        assert (sum(at) + 1) / (len(groups) + 1) <= alpha + 1e-9
        np.testing.assert_allclose(missed_share(missed, found), at)


@pytest.mark.parametrize(
    ("alpha", "least"), [(0.1, 9), (0.05, 19), (0.2, 4), (0.5, 1), (0.3, 3), (0.01, 99)]
)
def test_too_few_groups_have_no_threshold(alpha: float, least: int) -> None:
    """With perfect predictions too: nobody knows the next group."""
    perfect = np.zeros((least, len(THRESHOLDS)))

    assert least_groups(alpha) == least
    assert find_threshold(perfect[1:], alpha) is None
    assert find_threshold(perfect, alpha) == THRESHOLDS[-1]


def test_pixels_at_a_threshold_are_not_missed() -> None:
    assert count_missed(THRESHOLDS[[5, 5, 9]])[[5, 6, 9, 10]].tolist() == [0, 2, 2, 3]
    assert count_missed(np.zeros(2))[[0, 1]].tolist() == [0, 2]


@pytest.fixture(scope="module")
def mapie_threshold() -> Iterator[Callable[[Array, Array, float], float]]:
    """Return MAPIE's own procedure: the best parameter of a matrix of risks.

    Its packages are entered without their ``__init__``, and its ``utils``, which imports
    scikit-learn, is stood in for: of it, only a name that the procedure does not use is imported.
    """
    pytest.importorskip("scipy", reason="scipy is not installed: pip install scipy")
    if not (SOURCES / "mapie" / "risk_control" / "methods.py").is_file():
        pytest.skip("MAPIE's sources are missing: python tools/oracles.py")
    for name in ("mapie", "mapie.risk_control"):
        package = ModuleType(name)
        package.__path__ = [str(SOURCES / name.replace(".", "/"))]
        sys.modules[name] = package
    sys.modules["mapie.utils"] = ModuleType("mapie.utils")
    vars(sys.modules["mapie.utils"])["_check_alpha"] = None
    methods = importlib.import_module("mapie.risk_control.methods")

    def find(risks: Array, parameters: Array, alpha: float) -> float:
        _, bounds = methods.get_r_hat_plus(risks, parameters, "crc", None, None, None)
        found = methods.find_best_predict_param(parameters, bounds, np.array([alpha]))
        return float(found[0])

    yield find

    for name in [name for name in sys.modules if name.partition(".")[0] == "mapie"]:
        del sys.modules[name]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_threshold_is_that_of_mapie(
    mapie_threshold: Callable[[Array, Array, float], float], seed: int
) -> None:
    """Of the same matrix; MAPIE asks for a bound below alpha, which drawn shares never hit."""
    generator = np.random.default_rng(seed)
    missed = draw_groups(int(generator.integers(12, 40)), generator)
    alpha = float(generator.uniform(0.1, 0.5))

    found = find_threshold(missed, alpha)

    assert found == mapie_threshold(missed, THRESHOLDS, alpha)
