# SPDX-License-Identifier: Apache-2.0
"""``zoo rank`` and ``zoo assess``: which images to label next, and how good a prediction is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.texts import counted, printable

if TYPE_CHECKING:
    from zoo_uncertainty.ranking import Ranked, Sources

__all__ = ["assess_command", "rank_command"]

_NO_TRAINING = "note: the training images were not found, so nothing says what is unlike them."
_NO_CALIBRATION = "note: the model is not calibrated, so its own probabilities count."
_LISTED = 10


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what both commands take."""
    for add in reversed(
        (
            click.argument("model", metavar="WORK_DIR"),
            click.argument(
                "images",
                metavar="IMAGES...",
                nargs=-1,
                required=True,
                type=click.Path(path_type=Path),
            ),
            click.option(
                "--out",
                type=click.Path(file_okay=False, path_type=Path),
                required=True,
                help="Output folder.",
            ),
            click.option(
                "--with",
                "others",
                metavar="WORK_DIR",
                multiple=True,
                help="Another run, whose probabilities are averaged; repeatable.",
            ),
            click.option(
                "--calibration",
                type=click.Path(dir_okay=False, path_type=Path),
                help="File of zoo calibrate (default: calibration.json beside the checkpoint).",
            ),
            click.option(
                "--tta",
                type=click.Choice(["none", "flip"]),
                default="none",
                show_default=True,
                help="Average the probabilities of flipped images.",
            ),
            click.option("--device", default="auto", show_default=True, help="cpu, cuda, ..."),
            click.option("--json", "as_json", is_flag=True, help="Print the images as JSON."),
        )
    ):
        command = add(command)
    return command


@click.command("rank")
@_options
def rank_command(**given: Any) -> None:
    """Say which IMAGES... to label next, by a semantic model.

    First come those of which the model is unsure and that are unlike its training images, and no
    two that are alike. Writes ranking.csv, ranking.json and ranking.png, a sheet of the first
    twelve, each beside its uncertainty. Images are what `zoo predict` reads with this model. If one
    fails, it is reported, the others are still ranked, and the command exits 1.
    """
    from zoo_uncertainty.ranking import rank_images

    done = _run("rank", rank_images, given)
    _note(done)
    if given["as_json"]:
        click.echo(json.dumps([*done.images, *done.failures], indent=2))
    else:
        for row in done.images[:_LISTED]:
            click.echo(printable(f"{row['place']:>4}  {row['file']}  {_told(row)}"))
        click.echo(printable(f"ranked {counted(len(done.images), 'image')}: {done.files[0]}"))
    _tell_failures(done)


@click.command("assess")
@_options
def assess_command(**given: Any) -> None:
    """Say how good the prediction of each of IMAGES... is likely to be, without labels.

    WORK_DIR must be calibrated (`zoo calibrate`). Writes assessment.json with the expected Dice and
    its interval and whether an image is unlike the training images, and NAME_uncertainty.png, in
    which 0 is sure and 255 is one class as good as another. Images are what `zoo predict` reads
    with this model. If one fails, it is reported, and the command exits 1.
    """
    from zoo_uncertainty.ranking import assess_images

    done = _run("assess", assess_images, given)
    _note(done)
    if given["as_json"]:
        click.echo(json.dumps([*done.images, *done.failures], indent=2))
    else:
        for row in done.images:
            click.echo(printable(f"{row['file']}  {_told(row)}"))
        click.echo(printable(f"assessed {counted(len(done.images), 'image')}: {done.files[0]}"))
    _tell_failures(done)


def _run(
    label: str, function: Callable[[Sources, Callable[[int, int], None]], Ranked], given: Any
) -> Ranked:
    from zoo_uncertainty.ranking import Sources

    specs = (given["model"], *given["others"])
    rest = (given["calibration"], given["tta"], given["device"])
    sources = Sources(specs, given["images"], given["out"], *rest)
    with click.progressbar(
        length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        return function(sources, show)


def _note(done: Ranked) -> None:
    for is_so, text in ((done.has_training, _NO_TRAINING), (done.is_calibrated, _NO_CALIBRATION)):
        if not is_so:
            click.echo(text, err=True)


def _tell_failures(done: Ranked) -> None:
    """Name the images that failed on stderr, and exit 1 if there are any, as `zoo predict` does."""
    if not done.failures:
        return
    for row in done.failures:
        click.echo(printable(f"failed: {row['file']}: {row['error']}"), err=True)
    total = len(done.images) + len(done.failures)
    click.echo(f"error: {len(done.failures)} of {total} images failed.", err=True)
    for hint in dict.fromkeys(row["hint"] for row in done.failures):
        if hint:
            click.echo(printable(f"HINT: {hint}"), err=True)
    click.get_current_context().exit(1)


def _told(row: dict[str, Any]) -> str:
    told = [f"uncertainty {row['uncertainty']:.3f}"]
    for each in row["classes"]:
        if each["expected_dice"] is not None:
            ends = each["interval"]
            around = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
            told.append(f"{each['name']} Dice {each['expected_dice']:.3f}{around}")
    if row["unlike"]:
        told.append("unlike the training images")
    return ", ".join(told)
