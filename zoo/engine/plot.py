# SPDX-License-Identifier: Apache-2.0
"""Runs as pictures: losses, validation metrics, learning rates, and values image by image."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.run_logs import Curve, PerImage, RunLog, read_per_image, read_run_log
from zoo.engine.writing import replace_file
from zoo.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

FORMATS = (".png", ".pdf", ".svg")
# Okabe and Ito 2008, told apart with any kind of colour vision; black stays for the text.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
PANEL_WIDTH_IN, PANEL_HEIGHT_IN, DPI = 6.0, 3.6, 130
MAX_LEGEND = 12
MAX_METRICS = 6
MAX_FLAT_TICKS = 4
_LENGTH = re.compile(r"(?:^|_)(px|mm)(?:_|$)")  # the unit in a name like hd95_mm_lung
_FAR = 10  # times the median, from where on the other lengths would lie on one line
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.ymargin": 0.1,
    "legend.fontsize": 8,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "svg.hashsalt": "zoo",
}
_Draw = Callable[["Axes"], None]


def plot(sources: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Path:
    """Draw runs into one picture and return its path.

    Work dirs give panels for the training losses, the validation metrics (those between 0 and 1
    apart from the others) and the learning rate, over iterations, the runs overlaid; a star
    marks each metric's best value, and the legend states it: the lowest of a loss, error or
    distance, else the highest. More than six metrics are parted by their names' first word.
    Files that ``zoo test --out`` wrote give a panel of values image by image.

    Args:
        sources: Work dirs, and ``.json`` files of ``zoo test --out``.
        out: The picture, ``.png``, ``.pdf`` or ``.svg``; what was there is replaced.

    Raises:
        DataError: A source has no log or no values, or the picture cannot be written.
    """
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        message = f"cannot draw {path.name!r}: expected a name that ends in {', '.join(FORMATS)}."
        raise DataError(message, path=path, hint=f"write --out {path.with_suffix('.png')}.")
    runs, tests = _read(sources)
    panels = [*_run_panels(runs), *_test_panels(tests)]
    replace_file(path, _render(panels, path.suffix.lower()[1:]))
    return path


def _read(sources: Sequence[str | os.PathLike[str]]) -> tuple[list[RunLog], list[PerImage]]:
    runs: list[RunLog] = []
    tests: list[PerImage] = []
    for source in map(Path, sources):
        if source.is_dir():
            runs.append(read_run_log(source))
        elif source.is_file():
            tests.append(read_per_image(source))
        else:
            message = f"cannot plot {str(source)!r}: there is no such folder or file."
            raise DataError(message, path=source, hint="give a work dir of `zoo train`.")
    if not runs and not tests:
        message = "cannot plot: no work dir and no file was given."
        raise DataError(message, hint="give a work dir of `zoo train`.")
    return runs, tests


def _run_panels(runs: Sequence[RunLog]) -> list[_Draw]:
    losses: list[Mapping[str, Curve]] = [run.losses for run in runs]
    if len(runs) > 1 and all("loss" in curves for curves in losses):
        # Components of several runs are a thicket; the sum is what runs are compared by.
        losses = [{"loss": curves["loss"]} for curves in losses]
    names = _distinct([run.name for run in runs])
    table: list[tuple[str, Sequence[Mapping[str, Curve]], bool]] = [
        ("training loss", losses, False),
        *((title, curves, True) for title, curves in _metric_groups(runs)),
        ("learning rate", [run.rates for run in runs], False),
    ]
    return [
        _curves_panel(title, names, curves, stars) for title, curves, stars in table if any(curves)
    ]


def _metric_groups(runs: Sequence[RunLog]) -> list[tuple[str, list[Mapping[str, Curve]]]]:
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
            groups.setdefault(
                f"{title}: {family}" if len(keys) > MAX_METRICS else title, []
            ).append(key)
    return [
        (title, [{key: run.metrics[key] for key in keys if key in run.metrics} for run in runs])
        for title, keys in groups.items()
    ]


def _curves_panel(
    title: str, names: Sequence[str], runs: Sequence[Mapping[str, Curve]], stars: bool
) -> _Draw:
    keys = list(dict.fromkeys(key for curves in runs for key in curves))
    several = len(runs) > 1

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        for number, (name, curves) in enumerate(zip(names, runs, strict=True)):
            for index, key in enumerate(keys):
                if key not in curves:
                    continue
                color = COLORS[(number if several else index) % len(COLORS)]
                label = key if not several else name if len(keys) == 1 else f"{name}: {key}"
                is_total = key == "loss" and len(keys) > 1
                style: dict[str, Any] = {
                    "linestyle": DASHES[index % len(DASHES)] if several else "-",
                    "linewidth": 2.2 if is_total else 1.4,
                    "zorder": 3 if is_total else 2,
                }
                if stars:
                    style |= {"marker": "o", "markersize": 3}
                    label += _mark_best(axes, key, curves[key], color)
                _draw_curve(axes, curves[key], label, color, **style)
        is_one = several and len(keys) == 1
        axes.set_title(f"{title} ({keys[0]})" if is_one else title)
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        _legend(axes)

    return draw


def _draw_curve(axes: Axes, curve: Curve, label: str, color: str, **style: Any) -> None:
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


def _mark_best(axes: Axes, key: str, curve: Curve, color: str) -> str:
    """Put a star on the best value and return what the legend says of it."""
    finite = {step: value for step, value in curve.items() if not math.isnan(value)}
    if not finite:
        return ""
    sign = 1 if _is_better_low(key) else -1
    best = min(finite, key=lambda step: (sign * finite[step], step))
    style: dict[str, Any] = {
        "color": color,
        "markersize": 11,
        "markeredgecolor": "white",
        "zorder": 5,
    }
    axes.plot(best, finite[best], "*", **style)
    return f", best {finite[best]:.4g} at {best}"


def _is_better_low(key: str) -> bool:
    words = ("loss", "error", "distance", "hd95", "assd", "rmse", "mae")
    return any(word in key.lower() for word in words)


def _test_panels(tests: Sequence[PerImage]) -> list[_Draw]:
    keys = list(dict.fromkeys(key for test in tests for key in test.values))
    groups: dict[str, list[str]] = {}
    for key in keys:
        values = [value for test in tests for value in test.values.get(key, {}).values()]
        # Shares, percents and lengths have an axis each in common; others one to themselves.
        unit = _LENGTH.search(key)
        span = "1" if 0 <= min(values) <= max(values) <= 1 else key
        span = "100" if span == key and 0 <= min(values) <= max(values) <= 100 else span
        groups.setdefault(unit[1] if unit else span, []).append(key)
    return [_strips_panel(tests, group) for group in groups.values()]


def _strips_panel(tests: Sequence[PerImage], keys: Sequence[str]) -> _Draw:
    names = _distinct([test.name for test in tests])

    def draw(axes: Axes) -> None:
        width = 0.8 / len(tests)
        for number, test in enumerate(tests):
            color = COLORS[number % len(COLORS)]
            for place, key in enumerate(keys):
                values = test.values.get(key)
                if values:
                    x = place + (number - (len(tests) - 1) / 2) * width
                    worst = _worst(key, values) if len(tests) == 1 else None
                    _draw_strip(axes, x, width, values, color, worst)
            axes.plot([], [], "s", color=color, label=f"{names[number]} ({_count(test)} images)")
        many = len(keys) > MAX_FLAT_TICKS
        axes.set_xticks(
            range(len(keys)), keys, rotation=30 if many else 0, ha="right" if many else "center"
        )
        axes.set_xlim(-0.6, len(keys) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_title("image by image")
        unit = _LENGTH.search(keys[0])
        if unit:
            lengths = [
                v for test in tests for key in keys for v in test.values.get(key, {}).values()
            ]
            _scale_lengths(axes, unit[1], lengths)
        _legend(axes)

    return draw


def _scale_lengths(axes: Axes, unit: str, lengths: Sequence[float]) -> None:
    """Name an axis's unit; have it spread where an object that was missed would flatten it."""
    from matplotlib.ticker import SymmetricalLogLocator

    axes.set_ylabel(unit)
    largest = max(lengths)
    if min(lengths) < 0 or largest <= _FAR * max(1.0, float(np.median(lengths))):
        return
    axes.set_ylabel(f"{unit}, logarithmic above 1")
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(-0.2, 2 * largest)


def _worst(key: str, values: Mapping[str, float]) -> str | None:
    """Return the file of the worst value, if there are others."""
    if len(values) < 2:
        return None
    return (max if _is_better_low(key) else min)(values, key=lambda file: values[file])


def _draw_strip(
    axes: Axes,
    x: float,
    width: float,
    values: Mapping[str, float],
    color: str,
    worst: str | None,
) -> None:
    numbers = np.array(list(values.values()))
    axes.boxplot(
        [numbers],
        positions=[x],
        widths=width * 0.7,
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": color, "alpha": 0.18, "edgecolor": color},
        medianprops={"color": color, "linewidth": 2},
        whiskerprops={"color": color},
        capprops={"color": color},
    )
    # Spread by rank, not by chance: equal input, equal picture.
    jitter = (np.arange(len(numbers)) * 0.618034 % 1 - 0.5) * width * 0.5
    axes.plot(x + jitter, numbers, "o", color=color, markersize=3, alpha=0.55, markeredgewidth=0)
    if worst is not None:
        axes.annotate(
            f"{Path(worst).name}: {values[worst]:.3g}",
            (x, values[worst]),
            xytext=(0, -10 if values[worst] <= numbers.min() else 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color="#555555",
        )


def _count(test: PerImage) -> int:
    return len({file for values in test.values.values() for file in values})


def _distinct(names: Sequence[str]) -> list[str]:
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    if len(labels) > MAX_LEGEND:
        rest = len(labels) - MAX_LEGEND + 1
        handles, labels = handles[: MAX_LEGEND - 1], labels[: MAX_LEGEND - 1]
        labels[-1] += f"  (and {rest} more)"
    axes.legend(handles, labels, loc="best")


def _render(panels: Sequence[_Draw], kind: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1 if len(panels) == 1 else 2
    rows = math.ceil(len(panels) / columns)
    with matplotlib.rc_context(_STYLE):
        size = (PANEL_WIDTH_IN * columns, PANEL_HEIGHT_IN * rows)
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        places = figure.subplots(rows, columns, squeeze=False).ravel()
        for place, panel in zip(places, panels, strict=False):
            panel(place)
        for place in places[len(panels) :]:
            place.set_axis_off()
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind)
    return buffer.getvalue()
