# SPDX-License-Identifier: Apache-2.0
"""Panels of other plugins (kind ``panel``), drawn by matplotlib as SVG in the page's colours."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import zoo
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo import Run, TestValues

__all__ = ["Drawn", "draw_panels"]

_LOG = logging.getLogger("zoo")
_SKIPPED = ("run_plots",)  # curves and values of images: the page has them itself
_MOST = 10  # panels of one row
_TEXT = "#010203"  # becomes the colour of the page's text
_STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), _TEXT),
    **dict.fromkeys(("xtick.color", "ytick.color"), _TEXT),
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.facecolor": "none",
    "savefig.facecolor": "none",
    "font.size": 9,
    "svg.fonttype": "none",
    "text.parse_math": False,
}
_FOREIGN = re.compile(r"<script|<foreignObject|\son\w+=|href=\"(?!#|data:image/)", re.IGNORECASE)
_SIZE_IN = (4.4, 3.1)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel.

    Attributes:
        title: What it is.
        svg: Its drawing; it names nothing outside the page.
    """

    title: str
    svg: str


def draw_panels(runs: Sequence[Run], tests: Sequence[TestValues]) -> Iterator[Drawn]:
    """Yield the panels of other plugins, in the order of their names.

    One that cannot be loaded or drawn is left out, with a warning that names it.

    Args:
        runs: As `zoo.read_run` returns them.
        tests: As `zoo.read_test` returns them.
    """
    for found in zoo.read_catalog().rows("panel"):
        name = f"{found.record.name}.{found.row.name}"
        if found.record.name in _SKIPPED:
            continue
        try:
            panel: Any = zoo.load_contribution("panel", name)
            drawn = [
                _draw(draw, name, number)
                for number, draw in enumerate(islice(panel(runs, tests), _MOST))
            ]
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises, the page is written
            lines = str(getattr(error, "message", error)).strip().splitlines()
            said = printable(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")
            _LOG.warning("the panel %s is left out: %s", name, said[:300])
            continue
        yield from drawn


def _draw(draw: Any, name: str, number: int) -> Drawn:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Ids of one drawing must not meet those of another in the same page.
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": f"{name}-{number}"}):
        figure = Figure(figsize=_SIZE_IN, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        draw(axes)
        title = next((axes.get_title(loc) for loc in ("left", "center") if axes.get_title(loc)), "")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    svg = text[text.index("<svg") :].replace(_TEXT, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Ids that nothing in the drawing refers to would meet those of the next one.
    svg = re.sub(r' id="([^"]*)"', partial(_kept, svg), svg)
    if _FOREIGN.search(svg):
        message = "it names something outside the page"
        raise ValueError(message)
    return Drawn(printable(f"{name}: {title}" if title else name), svg)


def _kept(svg: str, found: re.Match[str]) -> str:
    return found[0] if f"#{found[1]}" in svg else ""
