# SPDX-License-Identifier: Apache-2.0
"""``zoo sweep``: a config trained with many settings, and the settings ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.texts import printable

if TYPE_CHECKING:
    from zoo_ray_runs.record import SweepRecord

__all__ = ["command"]


@click.command("sweep")
@click.argument("config", metavar="[CONFIG]", required=False)
@click.argument("train_words", metavar="[-- OPTIONS OF TRAIN]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--space",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML of config keys and what each may be.",
)
@click.option(
    "--work-dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the sweep; each trial has its own in trials/.",
)
@click.option("--data", type=click.Path(path_type=Path), help="Prepared folder.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of trials (default: every combination of the grids, else 8).",
)
@click.option(
    "--metric",
    metavar="NAME",
    help="Validation value to rank by (default: what chooses the best checkpoint).",
)
@click.option(
    "--direction",
    type=click.Choice(["higher", "lower"]),
    help="Which value is better (default: as the metric's plugin or the config states).",
)
@click.option("--asha", is_flag=True, help="Stop trials early whose validations are worse.")
@click.option(
    "--cpus-per-trial",
    type=click.IntRange(min=1),
    metavar="N",
    help="CPUs, and threads, of a trial (default: 1; with GPUs, a share for each).",
)
@click.option(
    "--gpus-per-trial",
    type=click.FloatRange(min=0),
    metavar="N",
    help="GPUs of a trial; 0.5 lets two share one (default: 1 if there is one).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the settings.")
@click.option("--resume", is_flag=True, help="Run what a stopped sweep has not finished.")
@click.option("--retry-failed", is_flag=True, help="With --resume: run failed trials again.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    config: str | None,
    train_words: tuple[str, ...],
    space: Path | None,
    work_dir: Path,
    data: Path | None,
    trials: int | None,
    metric: str | None,
    direction: str | None,
    asha: bool,
    cpus_per_trial: int | None,
    gpus_per_trial: float | None,
    seed: int,
    resume: bool,
    retry_failed: bool,
    as_json: bool,
) -> None:
    """Train CONFIG with many settings, on Ray Tune, and rank them.

    Each trial is a `zoo train` with its settings as --cfg-options; words after -- are options of
    `zoo train` for all of them, such as -- --max-steps 200. The result is a table, best trial
    first, WORK_DIR/sweep.json and WORK_DIR/sweep.png.

    A sweep that was stopped or killed goes on with --resume and --work-dir alone: finished trials
    are kept, and a half one continues at its own checkpoint; another --metric or --direction ranks
    them anew. With RAY_ADDRESS set, trials run on that cluster.
    """
    from zoo_ray_runs.picture import draw_sweep
    from zoo_ray_runs.planning import Request
    from zoo_ray_runs.sweeping import sweep

    if retry_failed and not resume:
        message = "--retry-failed needs --resume."
        raise click.UsageError(message)
    request = Request(
        work_dir=work_dir,
        config=config,
        space=space,
        data=data,
        trials=trials,
        metric=metric,
        direction=direction,
        train_words=train_words,
        seed=seed,
        asha=asha,
        cpus=cpus_per_trial,
        gpus=gpus_per_trial,
        resume=resume,
        retry_failed=retry_failed,
    )
    record = sweep(request, _say)
    picture = draw_sweep(work_dir, record)
    if as_json:
        click.echo(json.dumps(record.to_json(), allow_nan=False))
    else:
        _show(record, work_dir, picture)
    _tell_failures(record)


def _say(line: str) -> None:
    click.echo(printable(line), err=True)


def _show(record: SweepRecord, work_dir: Path, picture: Path | None) -> None:
    from zoo_ray_runs.record import NAME, TRIALS
    from zoo_ray_runs.texts import table

    for line in table(record):
        click.echo(line)
    best = record.ranked()[0]
    if best.value is not None:
        better = {"higher": "higher", "lower": "lower", "zero": "nearer to 0"}
        click.echo(
            f"{printable(record.metric or '')}: {better[record.direction or 'higher']} is better"
        )
        click.echo(printable(f"best: {work_dir / TRIALS / best.name}"))
    click.echo(printable(f"sweep: {work_dir / NAME}"))
    if picture is not None:
        click.echo(printable(f"picture: {picture}"))


def _tell_failures(record: SweepRecord) -> None:
    """Report failures on stderr, and exit 1 if no trial has ended well."""
    failed = [trial for trial in record.trials if trial.state == "failed"]
    for trial in failed:
        _say(f"failed: {trial.name}: {(trial.error or 'unknown reason').splitlines()[0]}")
    if len(failed) == len(record.trials):
        _say(f"error: all {len(failed)} trials failed.")
        _say("HINT: correct what the trials' logs say, then repeat with --resume --retry-failed.")
        click.get_current_context().exit(1)
