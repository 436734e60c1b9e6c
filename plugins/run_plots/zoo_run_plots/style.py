# SPDX-License-Identifier: Apache-2.0
"""What the panels of a plot share: dashes, and legends that cover no curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from zoo_run_plots.names import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DASHES", "Draw", "add_legend", "legend_height_in"]

DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
Draw: TypeAlias = "Callable[[Axes], None]"

_MAX_LEGEND = 30
_WIDTH_IN, _HANDLE_IN, _CHARACTER_IN = 5.6, 0.45, 0.062  # of a panel, and of 8 pt text
_MOST_COLUMNS, _MOST_CHARACTERS = 3, 84
_BELOW_PT = 32  # under the axis: ticks and the axis's label


def add_legend(axes: Axes, *, below_pt: float = _BELOW_PT) -> None:
    """Put a panel's legend below it, where it covers nothing, with each label once.

    Args:
        axes: The panel, drawn.
        below_pt: Room for ticks and the axis's label.
    """
    from matplotlib.transforms import ScaledTranslation

    handles, labels = axes.get_legend_handles_labels()
    entries = dict(zip(labels[::-1], handles[::-1], strict=True))
    shown = list(dict.fromkeys(labels))
    if not shown:
        return
    if len(shown) > _MAX_LEGEND:
        rest = len(shown) - _MAX_LEGEND + 1
        shown = shown[: _MAX_LEGEND - 1]
        last = f"{shown[-1]}  (and {rest} more)"
        entries[last] = entries[shown[-1]]
        shown[-1] = last
    texts = [shorten(label, _MOST_CHARACTERS) for label in shown]
    width_in = _HANDLE_IN + _CHARACTER_IN * max(map(len, texts))
    columns = max(1, min(_MOST_COLUMNS, len(shown), int(_WIDTH_IN / width_in)))
    down = ScaledTranslation(0, -below_pt / 72, axes.figure.dpi_scale_trans)
    axes.legend(
        [entries[label] for label in shown],
        texts,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=axes.transAxes + down,
        borderaxespad=0,
        ncols=columns,
        columnspacing=1.4,
    )


def legend_height_in(axes: Axes) -> float:
    """Return the height of a panel's legend in inches, 0 if it has none.

    Args:
        axes: A panel that was drawn.
    """
    legend = axes.get_legend()
    return 0.0 if legend is None else legend.get_window_extent().height / axes.figure.dpi
