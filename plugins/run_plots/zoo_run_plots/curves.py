# SPDX-License-Identifier: Apache-2.0
"""The curve panels of a plot: leading metric, losses, other metrics, rates, best step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from zoo_run_plots.axes import fit_losses, format_rate
from zoo_run_plots.metrics import Paint, metric_panels
from zoo_run_plots.names import Curve, label_of, merge_equal, shorten
from zoo_run_plots.runs import Runs
from zoo_run_plots.style import Draw, add_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo import Run

__all__ = ["run_panels"]

_MAX_STAGES = 6
_MAX_MARKS, _MARK_PT = 3, 9  # runs whose best step is marked by a line, with a line of text each
_MAX_TOGETHER = 3  # runs whose losses of training and of validation share a panel
_STAGE_SHARE = 0.06  # of the run, that a rate must last to be a stage's
_QUIET = "#555555"
_VALIDATION: dict[str, Any] = {"linestyle": "--", "marker": "o", "markersize": 3.5}
_TRAINING_LOSS, _VALIDATION_LOSS = "training loss", "validation loss"


def run_panels(logs: Sequence[Run]) -> list[Draw]:
    """Return the panels of runs; several runs are overlaid.

    First comes the panel of the metric that chooses the checkpoint, then the losses, the other
    metrics and the learning rates.

    Args:
        logs: The logs of the runs.
    """
    runs = Runs.of(logs)
    metrics = list(metric_panels(runs).items())
    leads = any(log.lead in log.metrics for log in logs)
    first, others = (metrics[:1], metrics[1:]) if leads else ([], metrics)
    panels = [*first, *_loss_panels(runs), *others]
    if any(log.rates for log in logs):
        panels.append(("learning rate", partial(_paint_rates, runs=runs)))
    return [_panel(title, paint, runs) for title, paint in panels]


def _panel(title: str, paint: Paint, runs: Runs) -> Draw:
    marked = [log for log in runs.logs if log.best is not None]
    marked = marked if len(marked) <= _MAX_MARKS else []

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        # Room for a line of text for each mark.
        axes.set_title(shorten(title, 72), pad=6 + _MARK_PT * len(marked))
        axes.set_xlabel("epoch" if runs.in_epochs else "iteration")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.set_xlim(*runs.ends())
        paint(axes)
        if runs.is_single:
            _mark_stages(axes, runs)
        for number, log in enumerate(runs.logs):
            if log.best is not None and log in marked:
                color = _QUIET if runs.is_single else runs.color(number)
                place = runs.place(log, log.best.step, is_validation=True)
                text = f"{'kept' if log.best.is_kept else 'best'}: {log.at(log.best.step)}"
                _mark_best_step(axes, text, place, marked.index(log), color)
        add_legend(axes)

    return draw


def _loss_panels(runs: Runs) -> list[tuple[str, Paint]]:
    """Return the panels of losses: sums, and of a single run the parts.

    The parts of several runs would be unreadable, so runs are compared by their sums. With many
    runs, training and validation have a panel each.
    """
    is_trained = any(log.losses for log in runs.logs)
    is_measured = any("loss" in log.val_losses for log in runs.logs)
    panels: list[tuple[str, Paint]] = []
    if len(runs.logs) > _MAX_TOGETHER:
        training, validation = (
            partial(_paint_losses, runs=runs, kinds=[kind]) for kind in ("training", "validation")
        )
        panels += [(_TRAINING_LOSS, training)] if is_trained else []
        panels += [(_VALIDATION_LOSS, validation)] if is_measured else []
    elif is_trained or is_measured:
        title = "training and validation loss" if is_trained else _VALIDATION_LOSS
        title = title if is_measured else _TRAINING_LOSS
        both = partial(_paint_losses, runs=runs, kinds=["training", "validation"])
        panels.append((title, both))
    if runs.is_single and len(_parts(runs.logs[0])) > 1:
        panels.append(("parts of the loss", partial(_paint_parts, runs=runs)))
    return panels


def _parts(log: Run) -> dict[str, list[str]]:
    """Return the parts of a run's loss, each with the names of those that equal it."""
    losses = {key: curve for key, curve in log.losses.items() if key != "loss"}
    return merge_equal([losses])


def _paint_losses(axes: Axes, runs: Runs, kinds: Sequence[str]) -> None:
    """Draw the sum of each run, of training as a line, of validation as dots on dashes."""
    shown: list[float] = []
    for number, (name, log) in enumerate(zip(runs.names, runs.logs, strict=True)):
        sums = {"loss": log.losses["loss"]} if "loss" in log.losses else log.losses
        for index, (key, curve) in enumerate(sums.items() if "training" in kinds else ()):
            turn = number if len(sums) == 1 else index
            label = _label(runs, name, "training" if len(sums) == 1 else key, kinds)
            style = {"color": runs.color(turn), "linestyle": runs.dashes(turn)}
            runs.draw(axes, log, curve, label, is_validation=False, **style)
            shown += curve.values()
        if "loss" in log.val_losses and "validation" in kinds:
            color = runs.color(1 if runs.is_single else number)
            curve = log.val_losses["loss"]
            label = _label(runs, name, "validation", kinds)
            label += runs.mark_best(axes, log, "val/loss", curve, color)
            style = _VALIDATION if len(kinds) > 1 else {"linestyle": runs.dashes(number)}
            style = style | {"color": color, "zorder": 3}
            runs.draw(axes, log, curve, label, is_validation=True, **style)
            shown += curve.values()
    fit_losses(axes, shown)


def _label(runs: Runs, name: str, kind: str, kinds: Sequence[str]) -> str:
    if runs.is_single:
        return kind
    return f"{name}: {kind}" if len(kinds) > 1 or kind not in kinds else name


def _paint_parts(axes: Axes, runs: Runs) -> None:
    """Draw each part in its colour, of training as a line, of validation as dots on dashes."""
    (log,) = runs.logs
    shown: list[float] = []
    for index, (key, names) in enumerate(_parts(log).items()):
        color, label = runs.color(index), label_of(names)
        runs.draw(axes, log, log.losses[key], label, is_validation=False, color=color)
        shown += log.losses[key].values()
        if key in log.val_losses:
            curve = log.val_losses[key]
            runs.draw(axes, log, curve, None, is_validation=True, color=color, **_VALIDATION)
            shown += curve.values()
    if log.val_losses:
        axes.plot([], [], color=_QUIET, label="of validation", **_VALIDATION)
    fit_losses(axes, shown)


def _paint_rates(axes: Axes, runs: Runs) -> None:
    equal = merge_equal([log.rates for log in runs.logs])
    for number, (name, log) in enumerate(zip(runs.names, runs.logs, strict=True)):
        for index, key in enumerate(key for key in equal if key in log.rates):
            turn = index if runs.is_single else number
            label = label_of(equal[key])
            label = label if runs.is_single else name if len(equal) == 1 else f"{name}: {label}"
            # What is logged is the rate of the steps before, since the last time.
            style = {"linestyle": runs.dashes(turn), "drawstyle": "steps-pre"}
            style |= {"color": runs.color(turn)}
            runs.draw(axes, log, log.rates[key], label, is_validation=False, **style)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(format_rate)
    if not runs.is_single:
        return
    (log,) = runs.logs
    for first, last, rate in _stages(log.rates):
        ends = [runs.place(log, step, is_validation=False) for step in (first, last)]
        above: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
        axes.annotate(format_rate(rate), (sum(ends) / 2, rate), fontsize=8, color=_QUIET, **above)


def _stages(rates: Mapping[str, Curve]) -> list[tuple[int, int, float]]:
    """Return ``(first step, last step, rate)`` of each stretch with a constant rate."""
    curve = next(iter(rates.values()), {})
    steps = sorted(curve)
    if len(steps) < 2:
        return []
    found = []
    for rate, group in itertools.groupby(steps, key=lambda step: curve[step]):
        stretch = list(group)
        if stretch[-1] - stretch[0] >= _STAGE_SHARE * (steps[-1] - steps[0]):
            found.append((stretch[0], stretch[-1], rate))
    return found if len(found) <= _MAX_STAGES else []


def _mark_stages(axes: Axes, runs: Runs) -> None:
    """Draw a dotted line where one lasting rate follows another."""
    (log,) = runs.logs
    steps = sorted(next(iter(log.rates.values()), {}))
    for first, _, _ in _stages(log.rates)[1:]:
        before = runs.place(log, steps[steps.index(first) - 1], is_validation=True)
        axes.axvline(before, color="#AAAAAA", linestyle=":", linewidth=1, zorder=1)


def _mark_best_step(axes: Axes, text: str, place: float, row: int, color: str) -> None:
    """Draw a line through the panel at the step whose checkpoint was kept, or would be."""
    axes.axvline(place, color=color, linestyle=(0, (6, 3)), linewidth=1, alpha=0.8, zorder=1)
    axes.annotate(
        text,
        (place, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 2 + _MARK_PT * row),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color=color,
    )
