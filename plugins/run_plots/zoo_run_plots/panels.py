# SPDX-License-Identifier: Apache-2.0
"""The panels that this plugin offers to whatever draws runs, by the kind ``panel``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo_run_plots.curves import run_panels
from zoo_run_plots.strips import test_panels
from zoo_run_plots.style import Draw

if TYPE_CHECKING:
    from zoo import Run, TestValues

__all__ = ["curves", "images"]


def curves(runs: Sequence[Run], tests: Sequence[TestValues]) -> list[Draw]:
    """Return the panels of runs, overlaid: the leading metric, losses, other metrics, rates.

    Args:
        runs: As `zoo.read_run` returns them.
        tests: Not used.
    """
    return run_panels(runs)


def images(runs: Sequence[Run], tests: Sequence[TestValues]) -> list[Draw]:
    """Return the panels of values image by image.

    Args:
        runs: Not used.
        tests: As `zoo.read_test` returns them.
    """
    return test_panels(tests)
