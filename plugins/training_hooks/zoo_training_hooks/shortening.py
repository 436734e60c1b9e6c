# SPDX-License-Identifier: Apache-2.0
"""Shorten a run that trains: let it end with a step or an epoch, and move its schedulers on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict

__all__ = ["accumulated", "end_with_this", "move_schedulers"]


def accumulated(runner: Any) -> int:
    """Return the number of steps whose gradients are added up.

    Args:
        runner: The run.
    """
    return max((one._accumulative_counts for one in _wrappers(runner)), default=1)


def end_with_this(runner: Any, most: int, *, by_epoch: bool) -> None:
    """Let the step or epoch that runs be the last; its validation and checkpoint follow.

    Where gradients are accumulated, the last step is the next that uses them, or ``most``.

    Args:
        runner: The run.
        most: Number of steps of the run before it is shortened.
        by_epoch: Whether an epoch is the last, or a step.
    """
    loop = runner.train_loop
    if by_epoch:
        loop._max_epochs = runner.epoch + 1
        loop._max_iters = loop._max_epochs * len(loop.dataloader)
    else:
        count = accumulated(runner)
        loop._max_iters = min(math.ceil((runner.iter + 1) / count) * count, most)
    for wrapper in _wrappers(runner):  # at the last step, each also uses what is left over
        wrapper._max_counts = loop._max_iters
        wrapper._remainder_counts = loop._max_iters % wrapper._accumulative_counts


def move_schedulers(runner: Any, count: int, *, by_epoch: bool) -> None:
    """Step the schedulers of a run as its next steps or epochs would.

    Args:
        runner: The run.
        count: Number of them.
        by_epoch: Whether epochs are counted; else steps.
    """
    steps = len(runner.train_loop.dataloader) if by_epoch else 1
    for one in _schedulers(runner):
        # In a loop of steps, a scheduler of epochs is never stepped.
        for _ in range((steps if not one.by_epoch else int(by_epoch)) * count):
            one.step()


def _wrappers(runner: Any) -> list[OptimWrapper]:
    wrapper = runner.optim_wrapper
    found = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [one for one in found if isinstance(one, OptimWrapper)]


def _schedulers(runner: Any) -> Iterator[Any]:
    found = runner.param_schedulers or []
    for one in found.values() if isinstance(found, dict) else [found]:
        yield from one
