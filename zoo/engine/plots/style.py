# SPDX-License-Identifier: Apache-2.0
"""What the panels of a plot share: colours, names, legends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLORS", "DASHES", "STYLE", "Draw", "add_legend", "distinct"]

# Okabe and Ito 2008, told apart with any kind of colour vision; black stays for the text.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
STYLE = {
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
    "text.parse_math": False,  # a name with "$" is no formula
}
Draw: TypeAlias = "Callable[[Axes], None]"

_MAX_LEGEND = 12
_MOST_BESIDE = 6  # entries that find a place among the curves
_LEGEND_ROW_SHARE = 0.075  # of the panel's height


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, those that several share numbered."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def add_legend(axes: Axes) -> None:
    """Give a panel its legend, cut where it would fill the panel."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    if len(labels) > _MAX_LEGEND:
        rest = len(labels) - _MAX_LEGEND + 1
        handles, labels = handles[: _MAX_LEGEND - 1], labels[: _MAX_LEGEND - 1]
        labels[-1] += f"  (and {rest} more)"
    if len(labels) > _MOST_BESIDE:
        # In two columns, below the curves.
        low, high = axes.get_ylim()
        axes.set_ylim(low - _LEGEND_ROW_SHARE * ((len(labels) + 1) // 2) * (high - low), high)
        axes.legend(handles, labels, loc="lower center", ncols=2, fontsize=6.5, columnspacing=1.0)
    else:
        axes.legend(handles, labels, loc="best")
