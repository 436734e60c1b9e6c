# SPDX-License-Identifier: Apache-2.0
"""How charts look, so that the panels of several plugins are one picture."""

from __future__ import annotations

from typing import Any

__all__ = ["CHART_COLORS", "CHART_STYLE"]

CHART_COLORS: tuple[str, ...] = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F"),
)
"""Of lines and dots in their order; after Okabe and Ito 2008, told apart with any colour vision."""

CHART_STYLE: dict[str, Any] = {
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
    "legend.frameon": False,
    "svg.hashsalt": "zoo",
    "text.parse_math": False,  # so that a name with "$" is not read as a formula
}
"""Of matplotlib, for its ``rc_context``."""
