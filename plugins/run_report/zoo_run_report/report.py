# SPDX-License-Identifier: Apache-2.0
"""Write runs and tests as one page that opens without a network."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.data import replace_file
from zoo.errors import DataError
from zoo_run_report import charts, facts
from zoo_run_report.examples import Examples, draw_examples
from zoo_run_report.intervals import DRAWS, LEAST_GROUPS, LEVEL, SEED, Interval, means_of
from zoo_run_report.kept import Counts, counts_of, why_no_counts
from zoo_run_report.panels import draw_panels
from zoo_run_report.plots import calibration_chart, curve_charts, size_chart
from zoo_run_report.scores import (
    SCORE_THR,
    ClassRow,
    Scored,
    class_rows,
    confusion_of,
    score_images,
)
from zoo_run_report.sources import Sources, Tested, read_sources
from zoo_run_report.tested_model import told_of_checkpoint

if TYPE_CHECKING:
    from zoo import TestValues

__all__ = ["report"]

_SUFFIXES = (".html", ".htm")
_MOST_COLUMNS = 12  # of the table of images
_MOST_ROWS = 5_000
_MOST_CLASSES = 40  # of the confusion table


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of a test.

    Attributes:
        name: As the test names it.
        split: Its value on the whole split, or None.
        mean: Its mean over images, or None if it has no values of images.
        unit: Its unit, or empty.
    """

    name: str
    split: float | None
    mean: Interval | None
    unit: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One test as the page shows it.

    Attributes:
        tested: The test.
        measured: Checkpoint and options.
        other_checkpoint: What to know if the run has another checkpoint now, or empty.
        scored: The scores that order its images.
        headline: Mean of these scores.
        metrics: Its metrics.
        classes: Scores of its classes.
        labels: Rows and columns of ``confusion``.
        counted: What was counted: ``pixels``, ``objects``, or empty.
        no_classes: Why there are no scores of classes, or empty.
        confusion: Counts and shares of their row; empty if ``no_confusion`` says why.
        no_confusion: Why there is no confusion, or empty.
        size: Chart of scores by size, or None.
        no_size: Why there is none.
        calibration: Chart of calibration, or None.
        no_calibration: Why there is none.
        columns: Names of values in the table of images.
        images: File, group, score and values of each image that is listed.
        image_count: Number of all images.
        examples: Pictures.
        groups: Number of groups that the bootstrap draws.
    """

    tested: Tested
    measured: Sequence[facts.FactRow]
    other_checkpoint: str
    scored: Scored | None
    headline: Interval | None
    metrics: Sequence[MetricRow]
    classes: Sequence[ClassRow]
    labels: Sequence[str]
    counted: str
    no_classes: str
    confusion: Sequence[Sequence[tuple[int, float]]]
    no_confusion: str
    size: charts.Chart | None
    no_size: str
    calibration: charts.Chart | None
    no_calibration: str
    columns: Sequence[str]
    images: Sequence[tuple[str, str, float | None, Sequence[float | None]]]
    image_count: int
    examples: Examples
    groups: int


def report(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | None = None,
    pictures: int = 6,
    seconds: float = 120.0,
) -> Path:
    """Write one page on runs and tests, and return its path.

    Equal input gives equal bytes, as long as the same pictures are done in time.

    Args:
        sources: Work dirs, whose tests are found in them, and files of ``zoo test --out``.
        out: The page, ``.html``; an existing file is replaced.
        data: The prepared folder of the tests, if it is not where the config says.
        pictures: Best and worst predictions to show, of each test; 0 loads no model.
        seconds: Time for predicting them; those that take longer are left out.

    Raises:
        DataError: A source cannot be read, or the page cannot be written.
    """
    path = Path(out)
    if path.suffix.lower() not in _SUFFIXES:
        message = f"cannot write {path.name!r}: expected a name that ends in .html."
        raise DataError(message, path=path, hint=f"use --out {path.with_suffix('.html')}.")
    if not sources:
        message = "cannot report: no work dir and no file was given."
        raise DataError(message, hint="give a work dir of `zoo train`.")
    read = read_sources(sources, None if data is None else Path(data))
    deadline_s = time.monotonic() + seconds
    shown = [_show(each, pictures, deadline_s) for each in read.tests]
    replace_file(path, _render(read, shown).encode("utf-8", "backslashreplace"))
    return path


def _show(tested: Tested, pictures: int, deadline_s: float) -> Shown:
    test = tested.test
    scored = score_images(test)
    headline, metrics = _means(tested, scored)
    table = confusion_of(test)
    counted = {Counts.PIXELS: "pixels", Counts.OBJECTS: "objects"}.get(counts_of(test), "")
    size, no_size = size_chart(tested)
    calibration, no_calibration = calibration_chart(tested)
    columns = list(test.values)[:_MOST_COLUMNS]
    images = _images(tested, scored, columns)
    no_counts = why_no_counts(test)
    is_large = table is not None and len(test.classes) > _MOST_CLASSES
    too_large = f"a table of {len(test.classes)} classes is unreadable." if is_large else ""
    return Shown(
        tested=tested,
        measured=facts.test_rows(test),
        other_checkpoint=told_of_checkpoint(tested),
        scored=scored,
        headline=headline,
        metrics=metrics,
        classes=class_rows(test, tested.groups),
        labels=[*test.classes, *(["nothing"] if counted == "objects" else [])],
        counted=counted,
        no_classes=no_counts,
        confusion=[] if table is None or is_large else _shares(table),
        no_confusion=no_counts or too_large,
        size=size,
        no_size=no_size,
        calibration=calibration,
        no_calibration=no_calibration,
        columns=columns,
        images=images[:_MOST_ROWS],
        image_count=len(images),
        examples=draw_examples(tested, pictures, deadline_s),
        groups=len({tested.groups.get(file, file) for file, *_ in images}),
    )


def _means(tested: Tested, scored: Scored | None) -> tuple[Interval | None, list[MetricRow]]:
    """Return the mean of the scores, and the metrics; the same draws make all intervals."""
    test = tested.test
    columns: dict[str | None, Mapping[str, float]] = {None: {} if scored is None else scored.values}
    for name, values in test.values.items():
        columns[name] = values
    means = means_of(columns, tested.groups)
    names = list(dict.fromkeys((*test.metrics, *test.values)))
    return means[None], [
        MetricRow(name, test.metrics.get(name), means.get(name), _unit(test, name))
        for name in names
    ]


def _unit(test: TestValues, name: str) -> str:
    unit = test.unit(name)
    return "" if unit in (None, "fraction", "count") else f" {unit}"


def _shares(table: Any) -> list[list[tuple[int, float]]]:
    sums = table.sum(axis=1)
    return [
        [(int(count), float(count / total) if total else 0.0) for count in row]
        for row, total in zip(table, sums, strict=True)
    ]


def _images(
    tested: Tested, scored: Scored | None, columns: Sequence[str]
) -> list[tuple[str, str, float | None, list[float | None]]]:
    """Return the images, the worst first; those without a score follow, by name."""
    values, scores = tested.test.values, {} if scored is None else scored.values
    every = {file for of_images in values.values() for file in of_images} | set(tested.test.tallies)
    first = [] if scored is None else scored.worst_first()
    return [
        (
            file,
            tested.groups.get(file, ""),
            scores.get(file),
            [values[name].get(file) for name in columns],
        )
        for file in (*first, *sorted(every - set(first)))
    ]


def _render(read: Sources, shown: Sequence[Shown]) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("zoo_run_report") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = charts.number
    runs = list(read.runs.values())
    script = (folder / "page.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template("page.html").render(
        title=", ".join(read.runs) or ", ".join(each.name for each in read.tests),
        runs=read.runs,
        tests=shown,
        curves=curve_charts(read.runs),
        run_rows=facts.run_rows(runs),
        data_rows=facts.data_rows(read.tests, runs),
        data_names=list(read.runs) or [each.name for each in read.tests],
        package_rows=facts.package_rows(runs),
        panels=list(draw_panels(runs, [each.test for each in read.tests])),
        style=(folder / "page.css").read_text("utf-8"),
        script=script,
        script_digest=digest,
        method={
            "draws": DRAWS,
            "level": round(LEVEL * 100),
            "seed": SEED,
            "least": LEAST_GROUPS,
            "thr": SCORE_THR,
        },
        version=zoo.__version__,
    )
