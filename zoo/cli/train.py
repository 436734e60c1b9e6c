# SPDX-License-Identifier: Apache-2.0
"""``zoo train``, the same as ``tools/train.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zoo.cli.options.completion import complete_config, complete_file
from zoo.cli.options.mm_options import (
    MMCommand,
    config_options,
    launcher_options,
    set_local_rank,
    verbose_option,
)
from zoo.cli.options.trust import trust_option
from zoo.cli.output.printing import say, say_json

__all__ = ["command"]

_COUNT = click.IntRange(min=1)


@click.command("train", cls=MMCommand)
@click.argument("config", metavar="CONFIG", shell_complete=complete_config)
@click.option("--epochs", type=_COUNT, metavar="N", help="Train for N passes over the images.")
@click.option("--max-steps", type=_COUNT, metavar="N", help="Train for N steps.")
@click.option("--batch-size", type=_COUNT, metavar="N", help="Images in a training step.")
@click.option("--lr", type=float, metavar="X", help="Learning rate at the top of its schedule.")
@click.option(
    "--accumulate", type=_COUNT, metavar="N", help="Add up the gradients of N batches for a step."
)
@click.option("--ema", is_flag=True, help="Validate and save an average of the last weights.")
@config_options
@click.option(
    "--pretrained",
    metavar="FILE|DIR|NAME|URL|none",
    shell_complete=complete_file,
    help="Weights to start from, instead of those the config names; NAME is one of "
    "`zoo list`, an address is URL#sha256=DIGEST.",
)
@click.option(
    "--resume",
    metavar="[auto|FILE]",
    help="Continue from a checkpoint; alone or with auto, from the last one in the work dir.",
)
@click.option(
    "--other-data",
    is_flag=True,
    help="Resume on data other than the checkpoint's; every later checkpoint notes it.",
)
@click.option(
    "--other-config",
    is_flag=True,
    help="Resume with another config or number of processes; the log lists the differences.",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Two runs of this command, on this machine, end in equal weights.",
)
@click.option("--amp", is_flag=True, help="Train with automatic mixed precision.")
@click.option(
    "--track",
    multiple=True,
    metavar="tensorboard|mlflow[=URL]|wandb",
    help="Tell a tracker of losses, metrics and validation pictures; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@verbose_option
@trust_option
@launcher_options
def command(
    config: str, as_json: bool, local_rank: int, resume: str | None, **options: Any
) -> None:
    """Train CONFIG: a file, a name (`zoo config list`) or mmseg::folder/file.py.

    --epochs and --max-steps scale the whole schedule: warm-ups, stages, and the intervals of
    validation and checkpoints keep their share of the run.
    """
    if options["epochs"] is not None and options["max_steps"] is not None:
        message = "--epochs and --max-steps both set the length of the run: give one of them."
        raise click.UsageError(message)
    set_local_rank(local_rank, options["launcher"])
    from mmengine.dist import is_main_process

    from zoo.engine.runs.training import train

    result = train(config, resume=resume or False, fetch=_fetch, obtain=_obtain, **options)
    if not is_main_process():
        return
    if as_json:
        say_json(result.to_json(), indent=None, allow_nan=False)
        return
    say(f"work dir: {result.work_dir}")
    if result.last_checkpoint is not None:
        say(f"last checkpoint: {result.last_checkpoint}")
    if result.best_checkpoint is not None:
        say(f"best checkpoint: {result.best_checkpoint}")


def _fetch(address: str, sha256: str) -> Path:
    """Return the file of the address that the user named, telling on stderr what is done."""
    from zoo.cli.output.progress import byte_progress
    from zoo.weights import fetch_address

    with byte_progress("pretrained weights") as progress:
        return fetch_address(address, sha256, progress=progress)


def _obtain(name: str) -> Path:
    """Return the file of weights by name, telling on stderr what is done."""
    from zoo.cli.output.progress import byte_progress
    from zoo.engine.adoption.adopting import Way
    from zoo.engine.adoption.obtaining import obtain_weights

    with byte_progress(name) as progress:
        return obtain_weights(name, Way(progress=progress)).path
