# SPDX-License-Identifier: Apache-2.0
"""The picture of a sweep: values over steps, and the best value over each setting."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data import replace_file
from zoo.errors import DataError
from zoo.interfaces import CHART_COLORS, CHART_STYLE
from zoo_ray_runs.curve import TrialCurve, read_curve
from zoo_ray_runs.record import TRIALS, SweepRecord, TrialRecord
from zoo_ray_runs.texts import short_keys, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_sweep"]

NAME = "sweep.png"
_OTHER, _BEST = CHART_COLORS[:2]
_STOPPED = "#9A9A9A"
_WIDTH_IN, _HEIGHT_IN, _DPI = 4.6, 3.2, 130
_COLUMNS, _MOST_KEYS = 3, 11


def draw_sweep(work_dir: Path, record: SweepRecord) -> Path | None:
    """Draw a sweep and return the picture, or None if nothing was measured.

    Args:
        work_dir: Folder of the sweep.
        record: The sweep.
    """
    curves = _curves(work_dir, record)
    if not curves:
        return None
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    keys = list(record.trials[0].options)[:_MOST_KEYS]
    columns = 2 if len(keys) == 3 else min(_COLUMNS, 1 + len(keys))  # four make a square
    rows = math.ceil((1 + len(keys)) / columns)
    with matplotlib.rc_context(CHART_STYLE):
        size = (_WIDTH_IN * columns, _HEIGHT_IN * rows)
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        _draw_curves(places[0], record, curves)
        short = short_keys(keys)
        for place, key in zip(places[1:], keys, strict=False):
            _draw_setting(place, record, key, short[key])
        for place in places[1 + len(keys) :]:
            place.set_axis_off()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    replace_file(work_dir / NAME, buffer.getvalue())
    return work_dir / NAME


def _curves(work_dir: Path, record: SweepRecord) -> dict[str, TrialCurve]:
    curves = {}
    for trial in record.trials:
        try:
            curve = read_curve(work_dir / TRIALS / trial.name, record.metric, record.direction)
        except DataError:
            continue
        if curve is not None:
            curves[trial.name] = curve
    return curves


def _color(trial: TrialRecord, best: TrialRecord) -> str:
    if trial.name == best.name:
        return _BEST
    return _OTHER if trial.state == "finished" else _STOPPED


def _draw_curves(axes: Axes, record: SweepRecord, curves: Mapping[str, TrialCurve]) -> None:
    """Draw each trial's values over its steps, the best one on top and named."""
    from matplotlib.ticker import MaxNLocator

    best = record.ranked()[0]
    shown = set()
    for trial in reversed(record.ranked()):
        if trial.name not in curves:
            continue
        values = curves[trial.name].values
        color = _color(trial, best)
        label = {_BEST: best.name, _OTHER: "other trials", _STOPPED: "stopped or failed"}[color]
        axes.plot(
            *(list(values), list(values.values())),
            color=color,
            linewidth=2.2 if color == _BEST else 1.1,
            alpha=1 if color == _BEST else 0.6,
            marker="o",
            markersize=3,
            label=None if label in shown else label,
        )
        shown.add(label)
    axes.set_title(f"{record.metric} of each trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step")
    axes.legend(loc="best")


def _draw_setting(axes: Axes, record: SweepRecord, key: str, short: str) -> None:
    """Draw the best value of each trial over one of its settings."""
    best = record.ranked()[0]
    shown = [(trial, trial.value) for trial in record.trials if trial.value is not None]
    values = [trial.options[key] for trial in record.trials]
    are_numbers = all(type(value) in (int, float) for value in values)
    words = sorted({value_text(value) for value in values}) if not are_numbers else []
    for trial, value in shown:
        option = trial.options[key]
        x = option if are_numbers else words.index(value_text(option))
        is_best = trial.name == best.name
        axes.scatter(
            x,
            value,
            color=_color(trial, best),
            s=60 if is_best else 26,
            marker="*" if is_best else "o",
            zorder=3 if is_best else 2,
        )
    _scale(axes, values, words, is_log="loguniform" in record.space[key])
    axes.set_title(f"{record.metric} over {short}")
    axes.set_xlabel(key)


def _scale(axes: Axes, values: Sequence[Any], words: Sequence[str], *, is_log: bool) -> None:
    if words:
        axes.set_xticks(range(len(words)), words)
        axes.set_xlim(-0.5, len(words) - 0.5)
    elif is_log:
        axes.set_xscale("log")
        # Texts are shown as they are: names of keys may hold a "$".
        axes.xaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, place: "")
    elif all(type(value) is int for value in values) and len(set(values)) <= 8:
        axes.set_xticks(sorted(set(values)))
