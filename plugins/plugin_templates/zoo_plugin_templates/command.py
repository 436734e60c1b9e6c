# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin new NAME``: a complete plugin that passes its own tests, to change from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from zoo_plugin_templates.parts import PARTS, TASKS, make_plan

__all__ = ["command"]


def _part_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for part in reversed(PARTS):
        help_ = f"Add {part.help}."
        function = click.option(f"--{part.name}", is_flag=True, help=help_)(function)
    return function


def _one_task(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    """Return the only value: of two, click would silently take the last one."""
    if len(set(values)) > 1:
        message = f"--{param.name} is given as {' and as '.join(values)}: a plugin is written for "
        message += "one task. Write two plugins, and move the parts of one into the other."
        raise click.UsageError(message, ctx)
    return values[0] if values else None


@click.command("new")
@click.argument("name")
@click.option(
    "--dataset",
    type=click.Choice(TASKS),
    multiple=True,
    callback=_one_task,
    help="Add a data set for this task.",
)
@_part_options
@click.option(
    "--task",
    type=click.Choice(TASKS),
    multiple=True,
    callback=_one_task,
    help="Task of the config, of a plugin that brings no data set.  [default: semantic]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write, ./NAME if omitted.",
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    name: str,
    dataset: str | None,
    task: str | None,
    out: Path | None,
    **chosen: bool,
) -> None:
    """Write a plugin called NAME: code, manifest, config, card, licences, tests and CI.

    Everything in it works as it stands: replace it part by part with your own. Several parts can
    be combined; without any, it is a data set of images and masks. NAME has lower case letters,
    digits and _, such as pond_tiles.
    """
    from zoo_plugin_templates.names import check_free, name_plugin
    from zoo_plugin_templates.next_steps import next_steps
    from zoo_plugin_templates.rendering import render
    from zoo_plugin_templates.writing import write_plugin

    if dataset and task and dataset != task:
        message = f"--dataset {dataset} and --task {task} contradict each other: leave out --task."
        raise click.UsageError(message, ctx)
    names = name_plugin(name)
    check_free(names)
    plan = make_plan(dataset, task, [part for part, is_chosen in chosen.items() if is_chosen])
    folder = out or Path(name)
    written = write_plugin(folder, render(names, plan))
    click.echo(f"wrote {folder}: {len(written)} files", err=True)
    click.echo("\n".join(next_steps(names, plan, folder)))
