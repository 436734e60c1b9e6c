# SPDX-License-Identifier: Apache-2.0
"""OpenMMLab's command line in click: ``--cfg-options a=1 b=2`` and ``--resume [auto|FILE]``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from zoo.cli.output.errors import ZooCommand
from zoo.engine.processes.launched import rank_in
from zoo.engine.processes.meeting import meet

__all__ = ["MMCommand", "config_options", "launcher_options", "set_local_rank", "verbose_option"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors")


class MMCommand(ZooCommand):
    """A command whose options accept the syntax of OpenMMLab's scripts.

    ``--cfg-options`` takes any number of ``key=value``, and ``--resume`` optionally ``auto`` or a
    checkpoint; click supports neither, so the arguments are rewritten before parsing.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite the arguments to click's syntax and parse them.

        Args:
            ctx: Context of the command.
            args: Words of the command line after the command's name.
        """
        with _telling_once(args):
            return super().parse_args(ctx, _rewritten(args))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Args:
            ctx: Context of the command.
        """
        with _telling_once(ctx.meta.get("zoo.args", ())):
            return super().invoke(ctx)


@contextmanager
def _telling_once(args: Sequence[str]) -> Iterator[None]:
    """Let the first of several processes alone say what is wrong with the command line of all."""
    try:
        yield
    except click.UsageError as error:
        text = " ".join(args)
        launched = re.search(r"--launcher[= ](\w+)", text)
        if launched is None or not rank_in(launched[1]):
            raise
        raise click.exceptions.Exit(error.exit_code) from error


def _rewritten(args: list[str]) -> list[str]:
    """Return the arguments with every option followed by exactly one value.

    Example:
        >>> _rewritten(["--cfg-options", "a=1", "b=2", "c.py", "--resume"])
        ['--cfg-options=a=1', '--cfg-options=b=2', 'c.py', '--resume=auto']
    """
    result: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        if arg == "--":
            return [*result, arg, *rest]
        if arg == "--cfg-options" and rest and "=" in rest[0]:
            while rest and "=" in rest[0] and not rest[0].startswith("-"):
                result.append(f"--cfg-options={rest.pop(0)}")
        elif arg == "--resume":
            has_value = bool(rest) and (rest[0] == "auto" or rest[0].endswith(_CHECKPOINTS))
            result.append(f"--resume={rest.pop(0) if has_value else 'auto'}")
        else:
            result.append(arg)
    return result


def config_options(function: _Function) -> _Function:
    """Add the options for reading a config.

    Args:
        function: The function of a click command.
    """
    for option in (
        click.option(
            "--cfg-options",
            multiple=True,
            metavar="K=V ...",
            help="Override values of the config, e.g. train_cfg.max_iters=100.",
        ),
        click.option(
            "--data", type=click.Path(), help="Prepared folder; sets data sets, splits and classes."
        ),
        click.option(
            "--work-dir", type=click.Path(), help="Folder of the run (default: work_dirs/CONFIG)."
        ),
    ):
        function = option(function)
    return function


def launcher_options(function: _Function) -> _Function:
    """Add the options for starting several processes.

    Args:
        function: The function of a click command.
    """
    for option in (
        click.option("--local_rank", "--local-rank", type=int, default=0, hidden=True),
        click.option(
            "--launcher",
            type=click.Choice(["none", "pytorch", "slurm", "mpi"]),
            default="none",
            show_default=True,
            help="Launcher that started the processes.",
        ),
    ):
        function = option(function)
    return function


def verbose_option(function: _Function) -> _Function:
    """Add the option to show a run's whole log.

    Args:
        function: The function of a click command.
    """
    text = "Show mmengine's whole log; its file in the work dir always contains it."
    return click.option("--verbose", is_flag=True, help=text)(function)


def set_local_rank(local_rank: int, launcher: str) -> None:
    """Set torch's local rank from the option that old launchers pass, and meet other processes.

    Args:
        local_rank: Index of this process among those of its machine, from 0. An existing LOCAL_RANK
            takes precedence.
        launcher: What started this process, as ``--launcher`` says.
    """
    os.environ.setdefault("LOCAL_RANK", str(local_rank))
    meet(launcher)
