# SPDX-License-Identifier: Apache-2.0
"""Runs as panels of a plot: losses, validation metrics, learning rates, and the best step."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.plots.style import COLORS, DASHES, Draw, add_legend, distinct
from zoo.engine.work_dir.best_step import Best, best_of_curve
from zoo.engine.work_dir.scalars import Curve, RunLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["run_panels"]

_MAX_METRICS = 6
_MAX_STAGES = 6
_MAX_MARKS, _MARK_PT = 3, 9
_STAGE_SHARE = 0.06  # of the run, that a rate must last to be a stage's
_EARLY_SHARE, _EARLY_FACTOR = 0.05, 2.5  # of the run; of the largest loss after it
_QUIET = "#555555"
_VALIDATION: dict[str, Any] = {
    "linestyle": "--",
    "marker": "o",
    "markersize": 3.5,
    "linewidth": 1.4,
}
_Paint = Callable[["Axes"], None]


def run_panels(runs: Sequence[RunLog]) -> list[Draw]:
    """Return the panels of runs, overlaid where they are several.

    Args:
        runs: Their logs.
    """
    names = distinct([run.name for run in runs])
    panels: dict[str, _Paint] = {}
    if any(run.losses for run in runs):
        measured = any(run.val_losses for run in runs)
        title = "training and validation loss" if measured else "training loss"
        panels[title] = partial(_paint_losses, names=names, runs=runs)
    if len(runs) == 1 and len(_parts(runs[0])) > 1:
        # Parts of several runs are a thicket; the sum is what runs are compared by.
        panels["parts of the loss"] = partial(_paint_parts, run=runs[0])
    for scale, keys in _metric_groups(runs):
        title = f"{scale} ({keys[0]})" if len(runs) > 1 and len(keys) == 1 else scale
        panels[title] = partial(_paint_metrics, names=names, runs=runs, keys=keys)
    if any(run.rates for run in runs):
        panels["learning rate"] = partial(_paint_rates, names=names, runs=runs)
    return [_panel(title, paint, runs) for title, paint in panels.items()]


def _panel(title: str, paint: _Paint, runs: Sequence[RunLog]) -> Draw:
    marked = [run for run in runs if run.best is not None]

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        # Room for a line of text for each mark.
        axes.set_title(title, pad=6 + _MARK_PT * min(len(marked), _MAX_MARKS))
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        paint(axes)
        if len(runs) == 1:
            _mark_stages(axes, runs[0])
        for number, run in enumerate(runs):
            if run.best is not None:
                color = COLORS[number % len(COLORS)] if len(runs) > 1 else _QUIET
                _mark_best_step(axes, run, run.best, marked.index(run), color)
        add_legend(axes)

    return draw


def _parts(run: RunLog) -> list[str]:
    return [key for key in run.losses if key != "loss"]


def _paint_losses(axes: Axes, names: Sequence[str], runs: Sequence[RunLog]) -> None:
    """Draw the sum of each run, of training as a line, of validation as dots on dashes."""
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        label = f"{name}: " if len(runs) > 1 else ""
        totals = {"loss": run.losses["loss"]} if "loss" in run.losses else run.losses
        for index, (key, curve) in enumerate(totals.items()):
            color = COLORS[(number if len(totals) == 1 else index) % len(COLORS)]
            kind = "training" if len(totals) == 1 else key
            _draw_curve(axes, curve, label + kind, color, linewidth=1.4)
        if "loss" in run.val_losses:
            color = COLORS[number % len(COLORS)] if len(runs) > 1 else COLORS[1]
            _draw_validation(axes, run, "loss", f"{label}validation", color)
    drawn = [log for run in runs for log in (run.losses, run.val_losses)]
    _cut_early_peak(axes, [log["loss"] for log in drawn if "loss" in log])


def _paint_parts(axes: Axes, run: RunLog) -> None:
    """Draw each part in its colour, of training as a line, of validation as dots on dashes."""
    for index, key in enumerate(_parts(run)):
        color = COLORS[index % len(COLORS)]
        _draw_curve(axes, run.losses[key], key, color, linewidth=1.4)
        if key in run.val_losses:
            _draw_curve(axes, run.val_losses[key], None, color, **_VALIDATION)
    if run.val_losses:
        axes.plot([], [], color=_QUIET, label="of validation", **_VALIDATION)
    drawn = [log[key] for key in _parts(run) for log in (run.losses, run.val_losses) if key in log]
    _cut_early_peak(axes, drawn)


def _draw_validation(axes: Axes, run: RunLog, key: str, label: str, color: str) -> None:
    curve = run.val_losses[key]
    label += _mark_best(axes, run, "val/loss", curve, color)
    _draw_curve(axes, curve, label, color, zorder=3, **_VALIDATION)


def _metric_groups(runs: Sequence[RunLog]) -> list[tuple[str, list[str]]]:
    """Part the metrics by scale, and many of one scale by the first word of their names."""
    scales: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for run in runs for key in run.metrics):
        values = [value for run in runs for value in run.metrics.get(key, {}).values()]
        is_unit = all(math.isnan(value) or 0 <= value <= 1 for value in values)
        scales.setdefault("validation, 0 to 1" if is_unit else "validation", []).append(key)
    groups: dict[str, list[str]] = {}
    for title, keys in sorted(scales.items(), reverse=True):
        for key in keys:
            family = re.split(r"[_ ]", key.rpartition("/")[2])[0]
            name = f"{title}: {family}" if len(keys) > _MAX_METRICS else title
            groups.setdefault(name, []).append(key)
    return list(groups.items())


def _paint_metrics(
    axes: Axes, names: Sequence[str], runs: Sequence[RunLog], keys: Sequence[str]
) -> None:
    several = len(runs) > 1
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        for index, key in enumerate(keys):
            if key not in run.metrics:
                continue
            color = COLORS[(number if several else index) % len(COLORS)]
            label = key if not several else name if len(keys) == 1 else f"{name}: {key}"
            label += _mark_best(axes, run, key, run.metrics[key], color)
            # Of one run, dashes tell curves apart only where the colours begin anew.
            turn = index if several else index // len(COLORS)
            dashes = DASHES[turn % len(DASHES)]
            style = {"linestyle": dashes, "linewidth": 1.4, "marker": "o", "markersize": 3}
            _draw_curve(axes, run.metrics[key], label, color, **style)


def _paint_rates(axes: Axes, names: Sequence[str], runs: Sequence[RunLog]) -> None:
    several = len(runs) > 1
    for number, (name, run) in enumerate(zip(names, runs, strict=True)):
        for index, (key, curve) in enumerate(run.rates.items()):
            color = COLORS[(number if several else index) % len(COLORS)]
            label = key if not several else name if len(run.rates) == 1 else f"{name}: {key}"
            # What is logged is the rate of the steps before, since the last time.
            style = {"linestyle": DASHES[number % len(DASHES)], "drawstyle": "steps-pre"}
            _draw_curve(axes, curve, label, color, linewidth=1.4, **style)
    axes.yaxis.set_major_formatter("{x:g}")
    if several:
        return
    for first, last, rate in _stages(runs[0]):
        place = ((first + last) / 2, rate)
        above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
        axes.annotate(f"{rate:.3g}", place, fontsize=8, color=_QUIET, **above)


def _stages(run: RunLog) -> list[tuple[int, int, float]]:
    """Return ``(first step, last step, rate)`` of each stretch where the rate stays as it is."""
    curve = next(iter(run.rates.values()), {})
    steps = sorted(curve)
    if len(steps) < 2:
        return []
    found = []
    for rate, group in itertools.groupby(steps, key=lambda step: curve[step]):
        stretch = list(group)
        if stretch[-1] - stretch[0] >= _STAGE_SHARE * (steps[-1] - steps[0]):
            found.append((stretch[0], stretch[-1], rate))
    return found if len(found) <= _MAX_STAGES else []


def _mark_stages(axes: Axes, run: RunLog) -> None:
    """Draw a dotted line where a rate that lasts follows one that lasted."""
    steps = sorted(next(iter(run.rates.values()), {}))
    for first, _, _ in _stages(run)[1:]:
        before = steps[steps.index(first) - 1]
        axes.axvline(before, color="#AAAAAA", linestyle=":", linewidth=1, zorder=1)


def _mark_best_step(axes: Axes, run: RunLog, best: Best, row: int, color: str) -> None:
    """Draw a line through the panel at the step whose checkpoint was kept, or would be."""
    axes.axvline(best.step, color=color, linestyle=(0, (6, 3)), linewidth=1, alpha=0.8, zorder=1)
    if row < _MAX_MARKS:
        axes.annotate(
            f"{'kept' if best.is_kept else 'best'}: {run.at(best.step)}",
            (best.step, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 2 + _MARK_PT * row),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=color,
        )


def _draw_curve(axes: Axes, curve: Curve, label: str | None, color: str, **style: Any) -> None:
    steps = sorted(curve)
    values = np.array([curve[step] for step in steps])
    if len(steps) == 1:
        style["marker"] = "o"
    axes.plot(steps, values, label=label, color=color, **style)
    lost = [step for step, value in zip(steps, values, strict=True) if math.isnan(value)]
    if lost:
        # At the panel's lower edge, where no value is: the curve itself has a gap there.
        axes.plot(
            lost,
            [0.02] * len(lost),
            "x",
            color=color,
            markersize=5,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
            label="not finite",
        )


def _mark_best(axes: Axes, run: RunLog, key: str, curve: Curve, color: str) -> str:
    """Put a star on the best value and return what the legend says of it."""
    best = best_of_curve(key, curve)
    if best is None:
        return ""
    style: dict[str, Any] = {"markersize": 11, "markeredgecolor": "white", "zorder": 5}
    axes.plot(best, curve[best], "*", color=color, **style)
    return f", best {curve[best]:.4g} at {run.at(best)}"


def _cut_early_peak(axes: Axes, curves: Sequence[Curve]) -> None:
    """Let losses that begin far above all that follows leave the panel at its top."""
    end = max((step for curve in curves for step in curve), default=0)
    points = [(s, v) for curve in curves for s, v in curve.items() if not math.isnan(v)]
    peak = max((v for s, v in points if s <= _EARLY_SHARE * end), default=0.0)
    later = [v for s, v in points if s > _EARLY_SHARE * end]
    if later and 0 < _EARLY_FACTOR * max(later) < peak:
        top, low = 1.15 * max(later), min(v for _, v in points)
        axes.set_ylim(low - 0.1 * (top - low), top)
        axes.set_xlabel(f"iteration (losses begin at {peak:.3g}, above the panel)")
