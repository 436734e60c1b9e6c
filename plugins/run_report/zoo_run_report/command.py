# SPDX-License-Identifier: Apache-2.0
"""``zoo report``: runs and tests as one self-contained page."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.texts import printable

__all__ = ["command"]


@click.command("report")
@click.argument(
    "sources", metavar="WORK_DIR|TEST.json...", nargs=-1, required=True, type=click.Path()
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Output file: .html.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="The prepared folder of the test, if it has moved.",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=0, max=50),
    default=6,
    show_default=True,
    metavar="N",
    help="Best and worst predictions to show, of each test; 0 loads no model.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    metavar="S",
    help="Time for predicting them; those that take longer are left out.",
)
def command(
    sources: tuple[str, ...], out: Path, data: Path | None, pictures: int, seconds: float
) -> None:
    """Write one page on WORK_DIR... that opens without a network.

    Curves, metrics with confidence intervals, scores of classes and images, the best and the worst
    predictions beside their truth, confusion, size and calibration, data and provenance. The tests
    are those in the work dirs (`zoo test WORK_DIR --out WORK_DIR/test.json`); a TEST.json can also
    be given by itself. Several runs stand side by side.
    """
    from zoo_run_report.report import report

    path = report(sources, out, data=data, pictures=pictures, seconds=seconds)
    click.echo(printable(f"report: {path}"))
