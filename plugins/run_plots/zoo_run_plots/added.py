# SPDX-License-Identifier: Apache-2.0
"""Panels that other plugins add to a plot; a fault in one leaves the others as they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import zoo
from zoo.texts import printable
from zoo_run_plots.style import Draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo import Run, TestValues

__all__ = ["added_panels"]

_LOG = logging.getLogger("zoo")
_OWN = "run_plots"
_MOST = 10  # panels of one row


def added_panels(runs: Sequence[Run], tests: Sequence[TestValues]) -> Iterator[Draw]:
    """Yield the panels of other plugins, in the order of their names.

    A row that cannot be loaded or raises is left out, with a warning that names it.

    Args:
        runs: As `zoo.read_run` returns them.
        tests: As `zoo.read_test` returns them.
    """
    for found in zoo.read_catalog().rows("panel"):
        name = f"{found.record.name}.{found.row.name}"
        if found.record.name == _OWN:
            continue
        try:
            panel: Any = zoo.load_contribution("panel", name)
            draws = list(islice(panel(runs, tests), _MOST))
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the plot is drawn
            _LOG.warning("the panel %s is left out: %s", name, _said(error))
            continue
        yield from (partial(_draw, draw=draw, name=name) for draw in draws)


def _draw(axes: Axes, draw: Draw, name: str) -> None:
    try:
        draw(axes)
    except Exception as error:  # noqa: BLE001 - as above
        _LOG.warning("the panel %s cannot be drawn: %s", name, _said(error))
        axes.clear()
        axes.set_axis_off()
        axes.set_title(f"{name} cannot be drawn")


def _said(error: Exception) -> str:
    lines = str(getattr(error, "message", error)).strip().splitlines()
    return printable(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")[:300]
