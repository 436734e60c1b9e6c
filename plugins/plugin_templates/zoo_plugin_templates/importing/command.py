# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin import PATH``: a plugin out of an OpenMMLab project or a MONAI bundle."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

__all__ = ["command"]


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write; if omitted ./NAME, or ./NAME_plugin if ./NAME is what is imported.",
)
@click.option("--name", help="Name of the plugin, made from that of the folder if omitted.")
def command(path: Path, out: Path | None, name: str | None) -> None:
    """Make a plugin out of PATH, and list what could not be carried over.

    PATH is a folder like those in projects/ of mmsegmentation and mmdetection (code that registers
    classes, configs, a metafile.yml), or a MONAI bundle (configs/metadata.json). Its files are
    read; none of them is imported or run.
    """
    from zoo.texts import counted, printable
    from zoo_plugin_templates.importing.reading import read_folder
    from zoo_plugin_templates.importing.skeleton import make_plugin
    from zoo_plugin_templates.names import check_free, name_plugin, near_name
    from zoo_plugin_templates.writing import write_plugin

    found = read_folder(path)
    names = name_plugin(near_name(found.name) if name is None else name)
    check_free(names)
    texts = make_plugin(names, found)
    folder = _folder(path, out, names.plugin)
    written = write_plugin(folder, texts)
    click.echo(f"wrote {folder}: {counted(len(written), 'file')}", err=True)
    for line in found.missing:
        click.echo(f"missing base: {printable(line)}")
    for line in found.left:
        click.echo(f"not carried over: {printable(line)}")
    click.echo(f"zoo plugin check {shlex.quote(str(folder))} --static")


def _folder(path: Path, out: Path | None, name: str) -> Path:
    """Return the folder to write, which is never the one that is imported."""
    from zoo.errors import PluginError

    folder = out or Path(name)
    if not folder.exists() or not folder.samefile(path):
        return folder
    if out is None:
        return Path(f"{name}_plugin")
    message = f"cannot write the plugin to {str(out)!r}: it is the folder that is imported."
    raise PluginError(message, where=out, hint="give another --out.")
