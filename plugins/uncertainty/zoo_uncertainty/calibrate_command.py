# SPDX-License-Identifier: Apache-2.0
"""``zoo calibrate``: a temperature, and thresholds that miss no more than stated."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.errors import ConfigError
from zoo.texts import counted, printable

if TYPE_CHECKING:
    from zoo_uncertainty.calibration_file import Calibration

__all__ = ["command"]

_KNOWN = {
    "selected": "note: these images chose the best checkpoint, so they flatter it; images of a "
    "split that the run has not seen do not.",
    "configured": "note: the checkpoint does not say what it was trained on; these images are not "
    "among the training images that its config names, as that folder is now.",
    "unknown": "note: not checked whether these images were trained on: the model does not say "
    "what it was trained on, and no config of it names a prepared folder that is here; nothing "
    "below holds if they are among it.",
}


@click.command("calibrate")
@click.argument("models", metavar="WORK_DIR...", nargs=-1, required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Prepared folder.")
@click.option(
    "--split",
    type=click.Choice(["val", "test"]),
    default="val",
    show_default=True,
    help="The images to calibrate on.",
)
@click.option(
    "--alpha",
    type=float,
    default=0.1,
    show_default=True,
    help="The share of a class that may be missed, averaged over new groups.",
)
@click.option(
    "--check-split",
    type=click.Choice(["val", "test"]),
    help="Other images, on which to check what was found.",
)
@click.option(
    "--tta",
    type=click.Choice(["none", "flip"]),
    default="none",
    show_default=True,
    help="Average the probabilities of flipped images.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write (default: calibration.json beside the checkpoint, except for a name).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the file's content.")
def command(
    models: tuple[str, ...],
    data: Path,
    split: str,
    alpha: float,
    check_split: str | None,
    tta: str,
    device: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find out how far the probabilities of a semantic model can be trusted.

    Fits one temperature, and for each foreground class the highest threshold that misses at most
    the share --alpha of its pixels, on average over new patients or scenes, as the groups of the
    data are. Images that the model was trained on are refused. Writes calibration.json, which
    holds for exactly this checkpoint.

    Several WORK_DIR... are calibrated as one model, whose probabilities are their mean.
    """
    from zoo_uncertainty.calibrating import Request, calibrate
    from zoo_uncertainty.calibration_file import write_calibration

    if len(models) > 1 and out is None:
        message = f"cannot choose where to write the calibration of {len(models)} models together."
        raise ConfigError(message, where="--out", hint="name a file: --out together.json")
    request = Request(models, data, split, alpha, check_split, tta, device, out)
    with click.progressbar(
        length=1, label="calibrate", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        made, path = calibrate(request, lambda done, total: _show(bar, done, total))
    write_calibration(path, made)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=2))
    else:
        _print(made, path)


def _show(bar: Any, done: int, total: int) -> None:
    bar.length = total
    bar.update(done - bar.pos)


def _print(made: Calibration, path: Path) -> None:
    data, before, after = made.facts["data"], made.facts["before"], made.facts["after"]
    if made.facts["images_known"] in _KNOWN:
        click.echo(_KNOWN[made.facts["images_known"]], err=True)
    size = f"{counted(data['images'], 'image')}, {counted(data['groups'], 'group')}"
    click.echo(printable(f"calibrated on {data['split']} ({size}): {path}"))
    click.echo(f"temperature {made.temperature:.3f}{_scores(before, after)}")
    for each in made.classes:
        click.echo(printable(f"{each.name}: {_threshold(each, made.alpha)}, {_width(each)}"))
    check = made.facts.get("check")
    if check is None:
        return
    data = check["data"]
    size = f"{counted(data['images'], 'image')}, {counted(data['groups'], 'group')}"
    click.echo(f"checked on {data['split']} ({size}){_scores(check['before'], check['after'])}")
    for row in check["classes"]:
        click.echo(printable(f"{row['name']}: {', '.join(_found(row))}"))


def _found(row: Any) -> Iterator[str]:
    missed, within = row["missed"], row["dice_within"]
    yield "missed share not checked" if missed is None else f"{missed:.1%} missed"
    yield (
        "interval of Dice not checked"
        if within is None
        else f"Dice within its interval in {within:.0%} of groups"
    )


def _scores(before: Any, after: Any) -> str:
    told = [f"{name.upper()} {before[name]:.4f} -> {after[name]:.4f}" for name in ("nll", "ece")]
    return ": " + ", ".join(told)


def _threshold(each: Any, alpha: float) -> str:
    from zoo_uncertainty.risk_control import least_groups

    if each.threshold is None:
        least = least_groups(alpha)
        return f"no threshold, {counted(each.groups, 'group')} have it and {least} are needed"
    if not each.threshold:
        return f"no threshold above 0 misses at most {alpha:.1%}"
    told = f"from {each.threshold:.4g} on, at most {alpha:.1%} is missed"
    return f"{told} ({each.missed:.1%} of these images)"


def _width(each: Any) -> str:
    if each.dice_width is None:
        return f"no interval of Dice, it is predicted in {counted(each.dice_groups, 'group')}"
    return f"Dice within {each.dice_width:.3f} of the expected one"
