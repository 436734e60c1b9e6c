# SPDX-License-Identifier: Apache-2.0
"""Panels of values image by image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.interfaces import CHART_COLORS
from zoo_run_plots.axes import fit_values, is_unit
from zoo_run_plots.counts import counts_panel, paired_counts
from zoo_run_plots.names import shorten, shorten_runs
from zoo_run_plots.style import Draw, add_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo import TestValues

__all__ = ["test_panels"]

_MAX_FLAT_TICKS, _MAX_TICK = 4, 24  # tick labels that need not slant, and their characters
_FLAT_PT, _SLANTED_PT = 22, 2.6  # of room for tick labels, flat, and for each slanted character
_LEAST_FOR_A_BOX = 10  # values for which quartiles mean something
_COUNT = re.compile(r"(?:^|[/_])count(?:$|_)")
_LENGTH = re.compile(r"(?:^|_)(px|mm)(?:_|$)")  # the unit in a name like hd95_mm_lung
_FAR = 10  # times the median: above it, the other lengths would be one line


def test_panels(tests: Sequence[TestValues]) -> list[Draw]:
    """Return the panels of values image by image: shares first, counts paired, lengths apart.

    Args:
        tests: The per-image values of `zoo test --out`.
    """
    keys = list(dict.fromkeys(key for test in tests for key in test.values))
    counts = paired_counts(keys)
    paired = {name for pair in counts for name in pair}
    groups: dict[str, list[str]] = {}
    for key in keys:
        if key in paired:
            continue
        values = [value for test in tests for value in test.values.get(key, {}).values()]
        # Shares, percents and lengths have an axis each in common; others one to themselves.
        unit = _LENGTH.search(key)
        span = "1" if is_unit(values) and not _COUNT.search(key) else key
        span = "100" if span == key and 0 <= min(values) <= max(values) <= 100 else span
        span = "count" if _COUNT.search(key) else span
        groups.setdefault(unit[1] if unit else span, []).append(key)
    strips = [_strips_panel(tests, groups[span]) for span in sorted(groups, key="1".__ne__)]
    return [*strips[:1], *(counts_panel(tests, *pair) for pair in counts), *strips[1:]]


def _strips_panel(tests: Sequence[TestValues], keys: Sequence[str]) -> Draw:
    names = shorten_runs([test.name for test in tests])
    # Tests that measured none of these are left out; the others keep their colours.
    shown_tests = [n for n, test in enumerate(tests) if not test.values.keys().isdisjoint(keys)]

    def draw(axes: Axes) -> None:
        width = 0.8 / len(shown_tests)
        for row, number in enumerate(shown_tests):
            test, color = tests[number], CHART_COLORS[number % len(CHART_COLORS)]
            for place, key in enumerate(keys):
                values = test.values.get(key)
                if values:
                    x = place + (row - (len(shown_tests) - 1) / 2) * width
                    worst = _worst(test.direction(key), values) if len(tests) == 1 else None
                    _draw_strip(axes, x, width, values, color, worst)
            axes.plot([], [], "s", color=color, label=f"{names[number]} ({_count(test)} images)")
        axes.plot([], [], "_", color="#555555", markersize=12, label="median")
        ticks = [shorten(key, _MAX_TICK) for key in keys]
        many = len(keys) > _MAX_FLAT_TICKS
        axes.set_xticks(
            range(len(keys)), ticks, rotation=30 if many else 0, ha="right" if many else "center"
        )
        axes.set_xlim(-0.6, len(keys) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_title("image by image")
        shown = [v for test in tests for key in keys for v in test.values.get(key, {}).values()]
        unit = _LENGTH.search(keys[0])
        if not (unit and _scale_lengths(axes, shown)):
            directions = {test.direction(key) for test in tests for key in keys}
            fit_values(axes, shown, is_share=is_unit(shown) and directions != {"lower"})
        if unit:
            axes.set_ylabel(" ".join(filter(None, [unit[1] + ",", axes.get_ylabel()])).rstrip(","))
        add_legend(axes, below_pt=_FLAT_PT + many * _SLANTED_PT * max(map(len, ticks)))

    return draw


def _scale_lengths(axes: Axes, lengths: Sequence[float]) -> bool:
    """Spread an axis where an object that was missed would flatten it; return whether it did."""
    from matplotlib.ticker import SymmetricalLogLocator

    largest = max(lengths)
    if min(lengths) < 0 or largest <= _FAR * max(1.0, float(np.median(lengths))):
        return False
    axes.set_ylabel("logarithmic above 1")
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(-0.2, 2 * largest)
    return True


def _worst(direction: str, values: Mapping[str, float]) -> str | None:
    """Return the file of the worst value, if there are others and one can be worse."""
    if len(values) < 2 or direction == "none":
        return None
    if direction == "zero":
        return max(values, key=lambda file: abs(values[file]))
    return (max if direction == "lower" else min)(values, key=lambda file: values[file])


def _draw_strip(
    axes: Axes,
    x: float,
    width: float,
    values: Mapping[str, float],
    color: str,
    worst: str | None,
) -> None:
    numbers = np.array(list(values.values()))
    middle, half = float(np.median(numbers)), width * 0.35
    axes.plot([x - half, x + half], [middle, middle], color=color, linewidth=2)
    if len(numbers) >= _LEAST_FOR_A_BOX:
        axes.boxplot(
            [numbers],
            positions=[x],
            widths=2 * half,
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
    dots: dict[str, Any] = {"markersize": 3.5, "alpha": 0.55, "markeredgewidth": 0}
    axes.plot(x + jitter, numbers, "o", color=color, clip_on=False, **dots)
    if worst is not None:
        axes.annotate(
            f"{shorten(Path(worst).name, _MAX_TICK)}: {values[worst]:.3g}",
            (x, values[worst]),
            xytext=(0, -10 if values[worst] <= numbers.min() else 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color="#555555",
        )


def _count(test: TestValues) -> int:
    return len({file for values in test.values.values() for file in values})
