# SPDX-License-Identifier: Apache-2.0
"""``zoo gallery``: every model and plugin of this zoo as a static site."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.texts import counted, printable

__all__ = ["command"]


@click.command("gallery")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the site; only an earlier gallery in it is replaced.",
)
def command(out: Path) -> None:
    """Write a page for each model and each plugin, and a list of all with a search.

    The site is made from manifests and cards alone: no plugin is imported, nothing is downloaded.
    Every plugin that zoo finds and every source that was added is in it. It opens from a folder or
    from any web server, and its list works without JavaScript. Equal manifests give equal bytes.
    """
    from zoo_gallery.gallery import write_gallery

    made = write_gallery(out)
    found = (
        counted(made.models, "model"),
        counted(made.plugins, "plugin"),
        counted(made.sources, "source"),
    )
    click.echo(printable(f"gallery: {made.index} ({', '.join(found)})"))
