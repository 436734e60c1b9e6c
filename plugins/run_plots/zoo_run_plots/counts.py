# SPDX-License-Identifier: Apache-2.0
"""A panel of counts: found against true, one dot per image, with the line of agreement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.interfaces import CHART_COLORS
from zoo_run_plots.names import shorten, shorten_runs
from zoo_run_plots.style import Draw, add_legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zoo import TestValues

__all__ = ["counts_panel", "paired_counts"]

_TRUE = re.compile(r"(?P<head>(?:.*[/_])?count_)true(?P<tail>(?:_.*)?)")
_FOUND = ("predicted", "found")
_MOST_NAMED = 8  # images whose names find a place beside their dots
_QUIET = "#777777"


def paired_counts(keys: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``(true, found)`` of each count that has both sides.

    Args:
        keys: Names of per-image values.

    Example:
        >>> paired_counts(["count_predicted", "count_true", "count_error"])
        [('count_true', 'count_predicted')]
    """
    pairs = []
    for key in keys:
        matched = _TRUE.fullmatch(key)
        names = [f"{matched['head']}{word}{matched['tail']}" for word in _FOUND] if matched else []
        pairs += [(key, name) for name in names if name in keys][:1]
    return pairs


def counts_panel(tests: Sequence[TestValues], true: str, found: str) -> Draw:
    """Return a panel with a dot for each image: its true count to the right, the found one up.

    On the line both agree; above it too many were found, below it too few. A few images are all
    named; of many, only the one that is furthest off.

    Args:
        tests: The per-image values of `zoo test --out`.
        true: The name of the true count.
        found: The name of the found count.
    """
    names = shorten_runs([test.name for test in tests])

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        largest = 1.0
        for number, (name, test) in enumerate(zip(names, tests, strict=True)):
            pairs = _pairs(test, true, found)
            if not pairs:
                continue
            xs, ys = zip(*pairs.values(), strict=True)
            largest = max(largest, *xs, *ys)
            label = f"{name}: {len(pairs)} images, {sum(xs):g} true, {sum(ys):g} found"
            style: dict[str, Any] = {"markersize": 6, "alpha": 0.7, "markeredgewidth": 0}
            color = CHART_COLORS[number % len(CHART_COLORS)]
            axes.plot(xs, ys, "o", color=color, label=label, clip_on=False, **style)
            if len(tests) == 1:
                _name_images(axes, pairs)
        ends = (0, 1.08 * largest)
        axes.plot(ends, ends, color=_QUIET, linewidth=1, zorder=1, label="as many found as true")
        axes.set_xlim(ends)
        axes.set_ylim(ends)
        axes.set_aspect("equal", adjustable="box", anchor="W")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator("auto", integer=True))
        axes.set_xlabel(f"true ({shorten(true)})")
        axes.set_ylabel(f"found ({shorten(found)})")
        axes.set_title("counts, image by image")
        add_legend(axes)

    return draw


def _pairs(test: TestValues, true: str, found: str) -> dict[str, tuple[float, float]]:
    """Return file -> true and found count of the images that have both."""
    ups = test.values.get(found, {})
    return {
        file: (value, ups[file]) for file, value in test.values.get(true, {}).items() if file in ups
    }


def _name_images(axes: Axes, pairs: dict[str, tuple[float, float]]) -> None:
    """Write names beside the dots, those of equal places in one line."""
    shown = dict(pairs)
    if len(pairs) > _MOST_NAMED:
        worst = max(pairs, key=lambda file: abs(pairs[file][1] - pairs[file][0]))
        shown = {worst: pairs[worst]}
    places: dict[tuple[float, float], list[str]] = {}
    for file, place in shown.items():
        places.setdefault(place, []).append(shorten(Path(file).stem, 20))
    for place, names in places.items():
        # To the right below the line, where the line is not.
        above = place[1] > place[0]
        axes.annotate(
            ", ".join(names),
            place,
            xytext=(-6, 3) if above else (6, -8),
            textcoords="offset points",
            ha="right" if above else "left",
            fontsize=7,
            color="#555555",
        )
