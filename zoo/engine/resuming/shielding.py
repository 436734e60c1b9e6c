# SPDX-License-Identifier: Apache-2.0
"""Let data workers survive a Ctrl-C, which a terminal sends to them too.

A worker that dies of it ends the run: the loader misses it, with varying messages.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import process, resource_tracker

from torch.utils.data._utils import signal_handling

from zoo.engine.patching import exchanged

__all__ = ["deferring_dead_workers", "shielding_workers"]

_REACTION = "_error_if_any_worker_fails"  # what torch calls whenever a child ends
_RAISE: Callable[[], None] = getattr(signal_handling, _REACTION)

_shields = 0


def _take_the_end() -> None:
    """Let SIGTERM end a forked worker: its parent's handler does not apply to it."""
    if _shields:
        with suppress(ValueError):  # forked by a thread other than the main one
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_take_the_end)


@contextmanager
def shielding_workers() -> Iterator[None]:
    """Make processes started inside the block ignore Ctrl-C and a closed terminal.

    The signals are blocked while the process starts, which it inherits, forked or spawned; a signal
    that arrives meanwhile reaches this process afterwards. Its parent ends it as usual; if the
    parent is killed, torch's workers notice and end within seconds.
    """
    global _shields
    with exchanged(process.BaseProcess, start=_shielded(process.BaseProcess.start)):
        _shields += 1
        try:
            yield
        finally:
            _shields -= 1


def _shielded(start: Callable[..., None]) -> Callable[..., None]:
    def shielded(self: process.BaseProcess) -> None:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            start(self)
            return
        method = getattr(self, "_start_method", None) or multiprocessing.get_start_method()
        if method != "fork":
            resource_tracker.ensure_running()  # it would take the block away while it starts
        deaf = {signal.SIGINT, signal.SIGHUP}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
        try:
            start(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    return shielded


@contextmanager
def deferring_dead_workers(is_busy: Callable[[], bool]) -> Iterator[None]:
    """Let a step or a save finish although a data worker died meanwhile.

    torch raises from a signal handler, wherever the program is. Nothing is raised while it is
    busy: the loader notices the missing worker at the next batch. After a run that was stopped or
    failed, nothing is raised until the next run begins: a signal to the whole group may end a
    worker only when this process has saved already, and is about to say so.

    Args:
        is_busy: Returns whether a step or its saving runs now.
    """

    def deferred() -> None:
        if not is_busy():
            _RAISE()

    _set_reaction(deferred)
    try:
        yield
    except BaseException:
        _set_reaction(_take_no_notice)
        raise
    _set_reaction(_RAISE)


def _take_no_notice() -> None:
    """Ignore a dead worker."""


def _set_reaction(reaction: Callable[[], None]) -> None:
    setattr(signal_handling, _REACTION, reaction)
