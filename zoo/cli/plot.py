# SPDX-License-Identifier: Apache-2.0
"""``zoo plot``: losses, metrics and per-image values as one picture."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.options.completion import complete_file
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say

__all__ = ["command"]


@click.command("plot", cls=ZooCommand)
@click.argument(
    "sources", metavar="WORK_DIR...", nargs=-1, required=True, shell_complete=complete_file
)
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
    from zoo.engine.plots.plot import plot

    say(f"plotted: {plot(sources, out)}")
