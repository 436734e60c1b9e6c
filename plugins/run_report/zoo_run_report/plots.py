# SPDX-License-Identifier: Apache-2.0
"""The charts of a report: curves of runs; size and calibration of tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from zoo_run_report.charts import Chart, line_chart, number, scatter_chart
from zoo_run_report.kept import Counts, background, counts_of, why_no_calibration, why_no_counts
from zoo_run_report.scores import SCORE_THR

if TYPE_CHECKING:
    from zoo import Run
    from zoo_run_report.sources import Tested

__all__ = ["calibration_chart", "curve_charts", "size_chart"]

_MOST_DOTS = 1_500
_MOST_METRICS = 12  # charts; the table of the log has the rest
_SIZE_BINS = 8
_SCORE_BINS = 10


def curve_charts(runs: Mapping[str, Run]) -> list[Chart]:
    """Return the charts of losses, metrics and learning rates; runs are overlaid.

    Args:
        runs: Name -> run.
    """
    charts = [_losses(runs)]
    names = dict.fromkeys(
        name
        for run in runs.values()
        for name in sorted(run.metrics, key=lambda each, run=run: each != run.lead)  # type: ignore[misc]
    )
    for name in list(names)[:_MOST_METRICS]:
        curves = {label: run.metrics[name] for label, run in runs.items() if name in run.metrics}
        notes = [_best(label, run, name) for label, run in runs.items() if name in run.metrics]
        charts.append(_over_steps(name, curves, runs, note="; ".join(filter(None, notes))))
    rates = {
        label if rate in ("lr", "base_lr") else f"{label}: {rate}": curve
        for label, run in runs.items()
        for rate, curve in run.rates.items()
    }
    charts.append(_over_steps("learning rate", rates, runs))
    return [chart for chart in charts if chart is not None]


def _losses(runs: Mapping[str, Run]) -> Chart | None:
    curves: dict[str, Mapping[int, float]] = {}
    colors = []
    for color, (label, run) in enumerate(runs.items()):
        for kind, losses in (("training", run.losses), ("validation", run.val_losses)):
            if "loss" in losses:
                curves[f"{label}: {kind}" if len(runs) > 1 else kind] = losses["loss"]
                colors.append(color)
    dashed = [name for name in curves if name.endswith("validation")]
    return line_chart("loss", _placed(curves), x_name="step", colors=colors, dashed=dashed)


def _over_steps(
    title: str, curves: Mapping[str, Mapping[int, float]], runs: Mapping[str, Run], note: str = ""
) -> Chart | None:
    labels = list(runs)
    colors = [
        next((i for i, each in enumerate(labels) if name == each or name.startswith(f"{each}:")), 0)
        for name in curves
    ]
    return line_chart(title, _placed(curves), x_name="step", colors=colors, note=note)


def _placed(curves: Mapping[str, Mapping[int, float]]) -> dict[str, dict[float, float]]:
    return {name: {float(x): y for x, y in curve.items()} for name, curve in curves.items()}


def _best(label: str, run: Run, name: str) -> str:
    step = run.best_step(name, run.metrics[name])
    if step is None:
        return ""
    return f"{label}: best {number(run.metrics[name][step])} at {run.at(step)}"


def size_chart(tested: Tested) -> tuple[Chart | None, str]:
    """Return the scores against the size of what is to be found, or None and why there is none.

    Args:
        tested: The test.
    """
    kind, tallies = counts_of(tested.test), tested.test.tallies
    if kind is Counts.NONE:
        return None, why_no_counts(tested.test)
    if kind is Counts.PIXELS:
        chart = _dice_by_size(tested)
        return chart, "" if chart else "no true pixel is of a class other than the background."
    if any(tally.true for tally in tallies.values()):
        return _found_by_size(tested), ""
    return None, "there is no true object."


def _dice_by_size(tested: Tested) -> Chart | None:
    tallies = tested.test.tallies
    skipped = background(tested.test.classes)
    points: dict[str, list[tuple[float, float, str]]] = {}
    count = 0
    for label in range(len(tested.test.classes)):
        if label in skipped:
            continue
        dots = [
            _dot(tally.confusion, label, file)
            for file, tally in sorted(tallies.items())
            if tally.confusion and sum(tally.confusion[label])
        ]
        if dots:
            count += len(dots)
            points[tested.test.classes[label]] = _thinned(dots)
    if not points:
        return None
    sizes = [x for dots in points.values() for x, _, _ in dots]
    shown = len(sizes)
    low = min(y for dots in points.values() for _, y, _ in dots)
    return scatter_chart(
        "Dice and size",
        "Dice of each image against the true pixels of a class; the table of images has the scores",
        points,
        x_name="true pixels of the class (logarithmic)",
        y_name="Dice",
        x_range=_wide(min(sizes), max(sizes)),
        y_range=(math.floor(low * 10) / 10 if low < 1 else 0.9, 1.0),
        is_log=True,
        note=f"{shown:,} of {count:,} dots are drawn." if shown < count else "",
    )


def _dot(table: Sequence[Sequence[int]], label: int, file: str) -> tuple[float, float, str]:
    true, right = sum(table[label]), table[label][label]
    found = sum(row[label] for row in table)
    dice = 2 * right / (true + found)
    return float(true), dice, f"{file}: Dice {number(dice)}, {true:,} px"


def _found_by_size(tested: Tested) -> Chart:
    found: list[tuple[float, bool]] = []
    for tally in tested.test.tallies.values():
        for label, area, place in tally.true:
            is_found = place >= 0 and tally.predicted[place][1] >= SCORE_THR
            found.append((max(1, area), is_found and tally.predicted[place][0] == label))
    areas = np.array([area for area, _ in found])
    edges = np.unique(np.quantile(areas, np.linspace(0, 1, _SIZE_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, areas, "right") - 1, 0, max(0, len(edges) - 2))
    dots = []
    for index in range(max(1, len(edges) - 1)):
        inside = [each for each, place in zip(found, bins, strict=True) if place == index]
        if inside:
            middle = float(np.exp(np.mean(np.log([area for area, _ in inside]))))
            right = sum(is_found for _, is_found in inside)
            text = f"about {middle:,.0f} px: {right} of {len(inside)} found"
            dots.append((middle, right / len(inside), text))
    return scatter_chart(
        "Found objects by size",
        "; ".join(text for _, _, text in dots),
        {"share found": dots},
        x_name="area of the object in px (logarithmic)",
        y_name="share found",
        x_range=_wide(float(areas.min()), float(areas.max())),
        y_range=(0.0, 1.0),
        joined=["share found"],
        is_log=True,
        note=f"Found: IoU of 0.5 or more, right class, score of {SCORE_THR:g} or more. "
        "Each dot holds the same number of objects.",
    )


def calibration_chart(tested: Tested) -> tuple[Chart | None, str]:
    """Return the reliability diagram, or None and why there is none.

    Args:
        tested: The test.

    Source:
        Naeini et al. 2015 (AAAI), expected calibration error, with bins of equal width.
    """
    bins = _calibration(tested)
    if not bins.size or not bins[:, 0].sum():
        return None, why_no_calibration(tested.test)
    kept = bins[bins[:, 0] > 0]
    confidence, share = kept[:, 1] / kept[:, 0], kept[:, 2] / kept[:, 0]
    error = float((kept[:, 0] * np.abs(confidence - share)).sum() / kept[:, 0].sum())
    what = "objects" if counts_of(tested.test) is Counts.OBJECTS else "pixels"
    dots = [
        (float(x), float(y), f"confidence {x:.2f}: {y:.1%} of {int(n):,} {what} correct")
        for x, y, n in zip(confidence, share, kept[:, 0], strict=True)
    ]
    chart = scatter_chart(
        "Calibration",
        "; ".join(text for _, _, text in dots),
        {"correct": dots},
        x_name="mean confidence",
        y_name="share correct",
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
        joined=["correct"],
        diagonal=True,
        note=f"Expected calibration error {error:.4f}. On the dashed line, confidence is what "
        "it says; below it, the model is too sure.",
    )
    return chart, ""


def _calibration(tested: Tested) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    tallies = tested.test.tallies.values()
    tables = [tally.calibration for tally in tallies if tally.calibration]
    if tables:
        sizes = {len(table) for table in tables}
        if len(sizes) == 1:
            total: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.array(tables).sum(axis=0)
            return total
    bins = np.zeros((_SCORE_BINS, 3))
    for tally in tallies:
        for label, score, place, _ in tally.predicted:
            if 0 <= score <= 1:
                is_right = place >= 0 and tally.true[place][0] == label
                bins[min(int(score * _SCORE_BINS), _SCORE_BINS - 1)] += (1, score, is_right)
    return bins


def _thinned(dots: list[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    return dots[:: math.ceil(len(dots) / _MOST_DOTS)]


def _wide(low: float, high: float) -> tuple[float, float]:
    return max(0.5, low / 1.15), high * 1.15
