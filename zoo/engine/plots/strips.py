# SPDX-License-Identifier: Apache-2.0
"""Values image by image, as panels of a plot."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.engine.plots.style import COLORS, Draw, add_legend, distinct
from zoo.engine.work_dir.best_step import is_better_low
from zoo.engine.work_dir.scalars import PerImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["test_panels"]

_MAX_FLAT_TICKS = 4
_LENGTH = re.compile(r"(?:^|_)(px|mm)(?:_|$)")  # the unit in a name like hd95_mm_lung
_FAR = 10  # times the median, from where on the other lengths would lie on one line


def test_panels(tests: Sequence[PerImage]) -> list[Draw]:
    """Return a panel for each scale that values image by image are on.

    Args:
        tests: What `zoo test --out` kept.
    """
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


def _strips_panel(tests: Sequence[PerImage], keys: Sequence[str]) -> Draw:
    names = distinct([test.name for test in tests])

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
        many = len(keys) > _MAX_FLAT_TICKS
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
        add_legend(axes)

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
    """Return the file of the worst value, if there are others and one can be worse."""
    is_plain_count = "count" in key.lower() and not is_better_low(key)
    if len(values) < 2 or is_plain_count:
        return None
    return (max if is_better_low(key) else min)(values, key=lambda file: values[file])


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
