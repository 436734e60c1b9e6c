# SPDX-License-Identifier: Apache-2.0
"""``zoo predict``: a model and images in; labels, overlays and one JSON out."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.errors import ZooCommand
from zoo.cli.trust import trust_option

__all__ = ["command"]


@click.command("predict", cls=ZooCommand)
@click.argument("model")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder to write into.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--labels/--no-labels", default=True, help="Write label PNGs (default: yes).")
@click.option("--overlays/--no-overlays", default=True, help="Write overlay PNGs (default: yes).")
@trust_option
def command(
    model: str, inputs: tuple[str, ...], out: Path, device: str, labels: bool, overlays: bool
) -> None:
    """Segment images with MODEL.

    MODEL is a weights name (`zoo list`), a published .safetensors, a work dir (its best
    checkpoint, else its last), or CONFIG,CHECKPOINT. The config of a work dir is Python and is
    run: use those of people you trust.

    INPUT is a file, a folder or a glob in quotes: PNG, JPEG, TIFF or BMP, 8 or 16 bit.

    For each image, NAME_label.png holds its class ids at its own resolution and
    NAME_overlay.png shows them; predictions.json lists all with the area of each class. An
    image that fails is reported, the others are done, and the command exits 1.
    """
    from zoo.cli.progress import progress_bar
    from zoo.engine.models import open_model
    from zoo.engine.predict import predict
    from zoo.engine.running import log_on_stderr

    with log_on_stderr(), progress_bar("predict") as progress:
        opened = open_model(model, device=device)
        done = predict(opened, inputs, out, labels=labels, overlays=overlays, progress=progress)
    click.echo(f"predicted {done.count} image{'' if done.count == 1 else 's'}: {done.path}")
    for failure in done.failures:
        click.echo(f"failed: {failure.path}: {failure.error.message}", err=True)
    if done.failures:
        total = done.count + len(done.failures)
        click.echo(f"error: {len(done.failures)} of {total} images failed.", err=True)
        click.get_current_context().exit(1)
