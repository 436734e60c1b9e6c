# SPDX-License-Identifier: Apache-2.0
"""``zoo fit``: from data and a time to a trained and measured model."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.texts import printable

if TYPE_CHECKING:
    from zoo_auto_fit.fitting import Fitted
    from zoo_auto_fit.planning import Request

__all__ = ["command"]


def _read_budget(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the time in seconds, or fail with what was expected."""
    from zoo_auto_fit.budget import parse_time

    try:
        return None if value is None else parse_time(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command("fit", context_settings={"ignore_unknown_options": True})
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.argument("prepare_words", metavar="[OPTIONS OF PREPARE]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--budget", callback=_read_budget, metavar="TIME", help="Time for everything: 30m, 1h30m."
)
@click.option(
    "--work-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the fit."
)
@click.option(
    "--task", type=click.Choice(["semantic", "instance"]), help="Task of raw data (default: guess)."
)
@click.option("--planner", metavar="NAME", help="Planner to use, of `zoo plugin list`.")
@click.option(
    "--track",
    multiple=True,
    metavar="tensorboard|mlflow[=URL]|wandb",
    help="Tell a tracker of the training, as `zoo train --track`; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan, a config, and train nothing.")
@click.option("--resume", is_flag=True, help="Continue the fit of the work dir.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    data: Path | None,
    prepare_words: tuple[str, ...],
    budget: float | None,
    work_dir: Path | None,
    task: str | None,
    planner: str | None,
    track: tuple[str, ...],
    dry_run: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Plan, train and test a model on DATA within a time.

    DATA is a folder that `zoo data prepare` wrote, or a raw one of images and labels, which is
    prepared first; options of `zoo data prepare folder_data` may then follow it.

    The plan is a config that `zoo train` takes unchanged, with the reason of each choice: --dry-run
    prints it, after a few timed steps.
    """
    import zoo
    from zoo_auto_fit.fitting import fit
    from zoo_auto_fit.planning import Request

    _check_words(data, budget, work_dir, dry_run=dry_run, resume=resume)
    zoo.parse_trackers(track)  # before time is spent on a plan
    request = Request(
        data=data,
        budget_s=budget,
        work_dir=work_dir or Path(),
        task=task,
        planner=planner,
        prepare_words=prepare_words,
        track=track,
    )
    if dry_run:
        _show_plan(request, is_temporary=work_dir is None, as_json=as_json)
        return
    result = fit(request, _say, resume=resume)
    if as_json:
        click.echo(json.dumps(result.to_json(), allow_nan=False))
    else:
        _show_result(result)


def _check_words(
    data: Path | None, budget: float | None, work_dir: Path | None, *, dry_run: bool, resume: bool
) -> None:
    """Refuse what says too little, or two things at once."""
    if dry_run and resume:
        message = "--dry-run and --resume exclude each other: the plan of a fit is fit/plan.py."
        raise click.UsageError(message)
    if work_dir is None and not dry_run:
        message = "--work-dir is missing: the folder for plan, checkpoints and results."
        raise click.UsageError(message)
    if not resume and (data is None or budget is None):
        message = f"{'DATA' if data is None else '--budget'} is missing; a fit that is resumed "
        message += "needs only --work-dir and --resume."
        raise click.UsageError(message)
    from zoo_auto_fit.raw_data import is_prepared

    if work_dir is None and data is not None and data.exists() and not is_prepared(data):
        message = "--work-dir is missing: the data is not prepared yet, and the plan names the "
        message += "folder below the work dir where it will be."
        raise click.UsageError(message)


def _say(line: str) -> None:
    click.echo(printable(line), err=True)


def _show_plan(request: Request, *, is_temporary: bool, as_json: bool) -> None:
    """Print the plan; without a work dir, nothing is left on the disk."""
    import contextlib

    from zoo_auto_fit.lock import locked_folder
    from zoo_auto_fit.planning import plan_fit
    from zoo_auto_fit.record import FOLDER
    from zoo_auto_fit.work_dir import check_work_dir

    with contextlib.ExitStack() as stack:
        if is_temporary:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zoo-fit-")))
        else:
            folder = stack.enter_context(locked_folder(request.work_dir / FOLDER))
            check_work_dir(request)
        planned = plan_fit(request, _say, folder, time.monotonic())
        text = json.dumps(planned.to_json()) if as_json else planned.plan.config.rstrip()
    click.echo(text)


def _show_result(result: Fitted) -> None:
    click.echo(printable(f"work dir: {result.work_dir}"))
    click.echo(printable(f"plan: {result.plan}"))
    if result.test is not None:
        click.echo(printable(f"{result.split}: {result.test}"))
    for name, value in result.metrics.items():
        click.echo(printable(f"  {name}: {'none' if value is None else f'{value:.4f}'}"))
    if result.report is not None:
        click.echo(printable(f"report: {result.report}"))
