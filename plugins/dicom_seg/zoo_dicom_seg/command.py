# SPDX-License-Identifier: Apache-2.0
"""``zoo dicom``: predictions of DICOM images as DICOM."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.texts import counted, printable

__all__ = ["command"]


@click.command("dicom")
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Output folder, new or empty.",
)
@click.option(
    "--codes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with the codes of classes; it goes before the shipped ones.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["binary", "labelmap"]),
    default="binary",
    show_default=True,
    help="A frame for each segment, which most viewers read, or one frame of numbers.",
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder where relative names of images begin [default: the working directory].",
)
@click.option("--no-overlays", is_flag=True, help="Write segmentations alone.")
@click.pass_context
def command(
    ctx: click.Context,
    results: Path,
    out: Path,
    codes: Path | None,
    kind: str,
    root: Path | None,
    no_overlays: bool,
) -> None:
    """Write the predictions in RESULTS as DICOM, beside patient and study of their images.

    RESULTS is a folder of `zoo predict` on DICOM files of one frame. Each gets NAME.seg.dcm, a
    Segmentation with coded segments, and NAME.overlay.dcm, a Secondary Capture of its overlay.
    Images that cannot be written are named, and the command exits 1.
    """
    from zoo_dicom_seg.writing import write_dicom

    done = write_dicom(results, out, codes=codes, kind=kind, root=root, overlays=not no_overlays)
    for file, error in done.failures:
        click.echo(f"left out {printable(file)}: {error}", err=True)
    click.echo(printable(f"wrote {counted(len(done.files), 'file')}: {out}"))
    if done.notice:
        click.echo(printable(done.notice), err=True)
    if done.failures:
        ctx.exit(1)
