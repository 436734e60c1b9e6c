# SPDX-License-Identifier: Apache-2.0
"""Plot runs: losses, validation metrics, learning rates, and values image by image."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.data import replace_file
from zoo.errors import DataError
from zoo.interfaces import CHART_STYLE
from zoo_run_plots.added import added_panels
from zoo_run_plots.curves import run_panels
from zoo_run_plots.strips import test_panels
from zoo_run_plots.style import Draw, legend_height_in

if TYPE_CHECKING:
    from zoo import Run, TestValues

__all__ = ["plot"]

FORMATS = (".png", ".pdf", ".svg")
_MOST_PANELS = 40
_MOST_IN_TWO_COLUMNS = 10
PANEL_WIDTH_IN, PANEL_HEIGHT_IN, DPI = 6.0, 3.4, 130


def plot(sources: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Path:
    """Plot runs into one picture and return its path.

    Work dirs become panels over epochs if all runs count epochs, else over iterations, with the
    runs overlaid. First comes the metric that chooses the checkpoint (``save_best``), with related
    ones; then the loss of training and, if measured (``val/loss``), of validation, and for a
    single run the parts of both; then the other metrics (those between 0 and 1 separately; more
    than six are grouped by what they measure; with several runs each has a panel) and the learning
    rate. Curves that are equal throughout are drawn once, with both names.

    Axes of values that cannot be negative begin at 0, those of shares end at 1; if curves would be
    one flat line the axis is cut, which its label and a break show. A loss that spans a decade is
    on a logarithmic axis. Legends are below the panels.

    A star marks each metric's best value, and the legend states it: the lowest of a loss, error or
    distance, else the highest. For up to three runs, a dashed line through all panels marks the
    step whose checkpoint the run kept as its best, or, if it kept none, the best step by the first
    metric of its log. For a single run, dotted lines mark changes between lasting learning rates,
    as with stages.

    Files of ``zoo test --out`` become panels of per-image values: counts as found against true,
    one dot per image, and all others side by side. Panels of other plugins (kind ``panel``) follow.

    Args:
        sources: Work dirs, and ``.json`` files of ``zoo test --out``.
        out: The picture, ``.png``, ``.pdf`` or ``.svg``; an existing file is replaced.

    Raises:
        DataError: A source has no log or no values, or the picture cannot be written.
    """
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        message = f"cannot draw {path.name!r}: expected a name that ends in {', '.join(FORMATS)}."
        raise DataError(message, path=path, hint=f"use --out {path.with_suffix('.png')}.")
    runs, tests = _read(sources)
    panels = [*run_panels(runs), *test_panels(tests), *added_panels(runs, tests)]
    if not panels:
        message = f"cannot plot {str(sources[0])!r}: its log has no losses, metrics or rates."
        raise DataError(message, path=Path(sources[0]), hint="give a work dir of `zoo train`.")
    if len(panels) > _MOST_PANELS:
        message = f"cannot plot {str(sources[0])!r}: it needs {len(panels)} panels, expected at "
        message += f"most {_MOST_PANELS}."
        hint = "give fewer work dirs and files, or ones with fewer metrics."
        raise DataError(message, path=Path(sources[0]), hint=hint)
    replace_file(path, _render(panels, path.suffix.lower()[1:]))
    return path


def _read(sources: Sequence[str | os.PathLike[str]]) -> tuple[list[Run], list[TestValues]]:
    runs: list[Run] = []
    tests: list[TestValues] = []
    for source in map(Path, sources):
        if os.path.isdir(source):
            runs.append(zoo.read_run(source))
        elif os.path.isfile(source):
            tests.append(zoo.read_test(source))
        else:
            message = f"cannot plot {str(source)!r}: there is no such folder or file."
            raise DataError(message, path=source, hint="give a work dir of `zoo train`.")
    if not runs and not tests:
        message = "cannot plot: no work dir and no file was given."
        raise DataError(message, hint="give a work dir of `zoo train`.")
    return runs, tests


def _render(panels: Sequence[Draw], kind: str) -> bytes:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(panels), 2 if len(panels) <= _MOST_IN_TWO_COLUMNS else 3)
    rows = math.ceil(len(panels) / columns)
    with matplotlib.rc_context(CHART_STYLE):
        size = (PANEL_WIDTH_IN * columns, PANEL_HEIGHT_IN * rows)
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        places = figure.subplots(rows, columns, squeeze=False)
        for place, panel in zip(places.ravel(), panels, strict=False):
            panel(place)
        for place in places.ravel()[len(panels) :]:
            place.set_axis_off()
        # Legends lie below their panels: a row is as much higher as its largest.
        heights = [PANEL_HEIGHT_IN + max(map(legend_height_in, row)) for row in places]
        places[0, 0].get_gridspec().set_height_ratios(heights)
        figure.set_size_inches(size[0], sum(heights))
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind)
    return buffer.getvalue()
