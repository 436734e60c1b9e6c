# SPDX-License-Identifier: Apache-2.0
"""The time that `TimeBudget` says is left, which the line of progress shows."""

import time
from types import SimpleNamespace

import pytest
from zoo_training_hooks.time_budget import TimeBudget

pytestmark = pytest.mark.mm


def test_time_left_falls_from_the_budget_to_nothing() -> None:
    hook, short = TimeBudget(seconds=600), TimeBudget(seconds=0.01)
    for each in (hook, short):
        each.before_run(SimpleNamespace())

    first = hook.left_s
    time.sleep(0.02)

    assert 0 < hook.left_s < first <= 600
    assert short.left_s == 0
