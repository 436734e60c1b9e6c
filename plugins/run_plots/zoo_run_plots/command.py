# SPDX-License-Identifier: Apache-2.0
"""``zoo plot``: losses, metrics and per-image values as one picture."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.texts import printable

__all__ = ["command"]


@click.command("plot")
@click.argument("sources", metavar="WORK_DIR...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Output file: .png, .pdf or .svg.",
)
def command(sources: tuple[str, ...], out: Path) -> None:
    """Draw losses, validation metrics and learning rates of WORK_DIR...

    Training and validation loss share a panel, the best step is marked, and several runs are
    overlaid. A file written by `zoo test --out`, given instead of a work dir, adds its values for
    each image.
    """
    from zoo_run_plots.plot import plot

    click.echo(printable(f"plotted: {plot(sources, out)}"))
