# SPDX-License-Identifier: Apache-2.0
"""``zoo train``, which is ``tools/train.py``."""

from __future__ import annotations

from pathlib import Path

import click

from zoo.cli.options.completion import complete_config, complete_file
from zoo.cli.options.mm_options import MMCommand, config_options, launcher_options, set_local_rank
from zoo.cli.options.trust import trust_option
from zoo.cli.output.printing import say

__all__ = ["command"]


@click.command("train", cls=MMCommand)
@click.argument("config", metavar="CONFIG", shell_complete=complete_config)
@config_options
@click.option(
    "--pretrained",
    metavar="FILE|DIR|NAME|URL|none",
    shell_complete=complete_file,
    help="Weights to start from, in place of those that the config would fetch; NAME is that of "
    "weights in `zoo list`, an address is URL#sha256=DIGEST.",
)
@click.option(
    "--resume",
    metavar="[auto|FILE]",
    help="Go on from a checkpoint; alone or with auto, from the last one in the work dir.",
)
@click.option(
    "--other-data",
    is_flag=True,
    help="Resume though the data is not that of the checkpoint; every later one notes it.",
)
@click.option("--amp", is_flag=True, help="Train with automatic mixed precision.")
@trust_option
@launcher_options
def command(
    config: str,
    cfg_options: tuple[str, ...],
    data: str | None,
    work_dir: str | None,
    pretrained: str | None,
    resume: str | None,
    other_data: bool,
    amp: bool,
    launcher: str,
    local_rank: int,
) -> None:
    """Train CONFIG, a file, a name or mmseg::folder/file.py."""
    set_local_rank(local_rank)
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.checkpoints.kept import find_best_checkpoint
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.train import train
    from zoo.engine.work_dir.run_facts import note_command

    with log_on_stderr():
        resolved = read_config(
            config,
            cfg_options=cfg_options,
            data=data,
            pretrained=pretrained,
            work_dir=work_dir,
            fetch=_fetch,
        )
        note_command(
            resolved,
            config,
            cfg_options=cfg_options,
            pretrained=pretrained,
            has_data=data is not None,
            amp=amp,
        )
        folder = train(
            resolved,
            resume=resume,
            amp=amp,
            launcher=launcher,
            transfer=pretrained not in (None, "none"),
            other_data=other_data,
        )
    say(f"work dir: {folder}")
    for label, found in (("last", find_checkpoint(folder)), ("best", find_best_checkpoint(folder))):
        if found is not None:
            say(f"{label} checkpoint: {found}")


def _fetch(address: str, sha256: str) -> Path:
    """Return the file of the address that the user named, telling on stderr what is done."""
    from zoo.cli.output.byte_progress import byte_progress
    from zoo.weights import fetch_address

    with byte_progress("pretrained weights") as progress:
        return fetch_address(address, sha256, progress=progress)
