# SPDX-License-Identifier: Apache-2.0
"""The runs of a plot: their names, their colours, and where their steps are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.interfaces import CHART_COLORS
from zoo_run_plots.names import Curve, shorten_runs
from zoo_run_plots.style import DASHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo import Run

__all__ = ["Runs"]

_STAR: dict[str, Any] = {"markersize": 11, "markeredgecolor": "white", "zorder": 5}
_MARGIN_SHARE = 0.03  # of a run, beside its first and last step
_LOST_HEIGHT = 0.02  # of the panel, where no value lies


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs that one picture compares.

    Args:
        logs: Their curves.
        names: Their names in legends, short and distinct.
        in_epochs: Whether steps are shown in epochs, because all runs count epochs.
    """

    logs: Sequence[Run]
    names: Sequence[str]
    in_epochs: bool

    @classmethod
    def of(cls, logs: Sequence[Run]) -> Runs:
        """Return the runs as they are drawn.

        Args:
            logs: One per run, in drawing order.
        """
        in_epochs = all(log.epoch_steps is not None for log in logs)
        return cls(logs, shorten_runs([log.name for log in logs]), in_epochs)

    @property
    def is_single(self) -> bool:
        """Return whether there is nothing to compare."""
        return len(self.logs) == 1

    def color(self, number: int) -> str:
        """Return the colour of a run, or of a curve of the only run.

        Args:
            number: Index of the run or curve, from 0.
        """
        return CHART_COLORS[number % len(CHART_COLORS)]

    def dashes(self, number: int) -> Any:
        """Return the dashes of a run or curve: they differ where colours repeat.

        Args:
            number: Index of the run or curve, from 0.
        """
        return DASHES[number // len(CHART_COLORS) % len(DASHES)]

    def place(self, log: Run, step: int, *, is_validation: bool) -> float:
        """Return the position of a step on the axis.

        Args:
            log: Of the run.
            step: In iterations.
            is_validation: Whether it is a step of validation.
        """
        return log.epoch_of(step, is_validation=is_validation) if self.in_epochs else step

    def ends(self) -> tuple[float, float]:
        """Return the first and last position that all panels show, with a margin."""
        places = [
            self.place(log, step, is_validation=is_validation)
            for log in self.logs
            for is_validation, curves in (
                (False, (log.losses, log.rates)),
                (True, (log.val_losses, log.metrics)),
            )
            for kind in curves
            for curve in kind.values()
            for step in curve
        ]
        margin = _MARGIN_SHARE * max(places, default=1) or 1
        return -margin, max(places, default=1) + margin

    def draw(
        self,
        axes: Axes,
        log: Run,
        curve: Curve,
        label: str | None,
        *,
        is_validation: bool,
        **style: Any,
    ) -> None:
        """Draw a curve; where it is not finite it has a gap, and a cross at the panel's foot.

        Args:
            axes: The panel.
            log: Of the run.
            curve: Step -> value.
            label: For the legend, or None.
            is_validation: Whether its steps are of validation.
            style: For matplotlib's ``plot``.
        """
        steps = sorted(curve)
        places = [self.place(log, step, is_validation=is_validation) for step in steps]
        values = np.array([curve[step] for step in steps])
        if len(steps) == 1:
            style["marker"] = "o"
        axes.plot(places, values, label=label, linewidth=style.pop("linewidth", 1.4), **style)
        lost = [place for place, value in zip(places, values, strict=True) if math.isnan(value)]
        if lost:
            cross: dict[str, Any] = {"markersize": 5, "clip_on": False, "label": "not finite"}
            cross |= {"color": style.get("color"), "transform": axes.get_xaxis_transform()}
            axes.plot(lost, [_LOST_HEIGHT] * len(lost), "x", **cross)

    def mark_best(self, axes: Axes, log: Run, key: str, curve: Curve, color: str) -> str:
        """Put a star on the best value and return its text for the legend.

        Args:
            axes: The panel.
            log: Of the run.
            key: The metric.
            curve: Step -> value, of validation.
            color: Of the star.
        """
        best = log.best_step(key, curve)
        if best is None:
            return ""
        place = self.place(log, best, is_validation=True)
        axes.plot(place, curve[best], "*", color=color, clip_on=False, **_STAR)
        return f", best {curve[best]:.4g} at {log.at(best)}"
