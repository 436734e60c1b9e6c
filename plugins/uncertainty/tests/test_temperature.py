# SPDX-License-Identifier: Apache-2.0
"""Planted temperatures are found; likelihood and error agree with twins in plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_uncertainty.temperature import (
    HIGHEST,
    LOWEST,
    calibration_error,
    fit_temperature,
    logs_of,
    negative_log_likelihood,
    tempered,
)

Array = np.ndarray[Any, Any]


def draw(classes: int, seed: int, count: int = 20_000) -> tuple[Array, Array]:
    """Return logits whose softmax is the distribution of the truth, and the truth."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, classes)) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (shares.cumsum(axis=1) < generator.random((count, 1))).sum(axis=1)
    return logits, np.minimum(truth, classes - 1)


@settings(max_examples=15, derandomize=True)
@given(
    classes=st.integers(2, 5),
    planted=st.floats(0.3, 4.0),
    shift=st.floats(-3, 3),
    seed=st.integers(0, 50),
)
def test_planted_temperature_is_found(
    classes: int, planted: float, shift: float, seed: int
) -> None:
    """Whatever constant is added to the logits; 20,000 pixels say it to 6 %."""
    logits, truth = draw(classes, seed)

    found = fit_temperature((logits * planted + shift).astype(np.float32), truth)

    assert found == pytest.approx(planted, rel=0.06)


def test_temperature_of_a_model_that_is_always_right_or_wrong_is_a_bound() -> None:
    logs = np.log(np.array([[0.9, 0.1]] * 50, np.float32))

    assert fit_temperature(logs, np.zeros(50, np.uint8)) == pytest.approx(LOWEST, rel=1e-5)
    assert fit_temperature(logs, np.ones(50, np.uint8)) == pytest.approx(HIGHEST, rel=1e-5)


@given(seed=st.integers(0, 1000), temperature=st.floats(0.1, 10))
def test_fitted_temperature_is_no_worse_than_another(seed: int, temperature: float) -> None:
    logits, truth = draw(3, seed, 200)

    found = fit_temperature(logits, truth)

    least = negative_log_likelihood(logits, truth, found)
    assert least <= negative_log_likelihood(logits, truth, temperature) + 1e-9


@given(seed=st.integers(0, 1000), temperature=st.floats(0.2, 5))
def test_scores_agree_with_twins(seed: int, temperature: float) -> None:
    logits, truth = draw(3, seed, 60)
    likelihood, bins = 0.0, [[0.0, 0.0] for _ in range(10)]
    for row, label in zip(logits.tolist(), truth.tolist(), strict=True):
        weights = [math.exp(each / temperature) for each in row]
        shares = [each / sum(weights) for each in weights]
        likelihood -= math.log(shares[label])
        best = max(range(3), key=shares.__getitem__)
        chosen = bins[min(9, int(shares[best] * 10))]
        chosen[0] += shares[best]
        chosen[1] += best == label

    assert negative_log_likelihood(logits, truth, temperature) == pytest.approx(likelihood / 60)
    error = sum(abs(sure - right) for sure, right in bins) / 60
    assert calibration_error(logits, truth, temperature) == pytest.approx(error)


def test_probabilities_stay_as_they_are_at_temperature_1() -> None:
    shares = np.random.default_rng(0).dirichlet([0.3, 1, 2], size=(4, 5)).astype(np.float32)

    again = tempered(logs_of(shares), 1.0, axis=-1)

    np.testing.assert_allclose(again, shares, atol=1e-6)
    assert again.dtype == np.float32
