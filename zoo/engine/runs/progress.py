# SPDX-License-Identifier: Apache-2.0
"""Show the progress of a run on one progress bar.

It costs a training step nothing: a thread reads the loops' own counters, and only loops without a
counter (validation and test) get one.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.progress import ProgressBar, State

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["recent_loss", "watch_runner"]

_POLL_S = 0.25
_RECENT = 20  # steps whose mean loss is shown


def recent_loss(runner: Runner) -> float | None:
    """Return the mean loss of a runner's last steps, or None before the first of them.

    Only reads the losses that mmengine keeps itself, from any thread.

    Args:
        runner: A runner, of any kind.
    """
    hub = getattr(runner, "message_hub", None)  # another kind of runner may have none
    kept = None if hub is None else hub.log_scalars.get("train/loss")
    if kept is None:
        return None
    recent = kept.data[0][-_RECENT:]
    return float(recent.mean()) if len(recent) else None


@contextmanager
def watch_runner(runner: Runner, bar: ProgressBar | None = None) -> Iterator[None]:
    """Show the progress of a runner while the block runs: training, validation or test.

    A thread reads the train loop's own counter a few times a second; nothing is added to a
    training step. Validation and test loops have no counter, so each of their steps is counted.
    Only the main process shows anything. mmengine's console log goes above the bar.

    Args:
        runner: Its loops may be built inside the block.
        bar: The bar to use; by default one on stderr.
    """
    from mmengine.dist import is_main_process

    if not is_main_process():
        yield
        return
    bar = ProgressBar() if bar is None else bar
    stop = threading.Event()
    thread = threading.Thread(
        target=_poll, args=(_LoopReader(runner).read, bar, stop), name="zoo-progress", daemon=True
    )
    with _log_above_bar(runner):
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            bar.close()


def _poll(read: Callable[[], State | None], bar: ProgressBar, stop: threading.Event) -> None:
    while not stop.wait(_POLL_S):
        state = read()
        if state is not None:
            bar.show(state)


@contextmanager
def _log_above_bar(runner: Runner) -> Iterator[None]:
    if not sys.stderr.isatty() or not _is_on_console(runner.logger):
        yield
        return
    from tqdm.contrib.logging import logging_redirect_tqdm

    with logging_redirect_tqdm(loggers=[runner.logger]):
        yield


def _is_on_console(logger: logging.Logger) -> bool:
    """Return whether a log is written to the terminal; a quiet one writes above the bar itself."""
    streams = (sys.stdout, sys.stderr)
    handlers = (one for one in logger.handlers if isinstance(one, logging.StreamHandler))
    return any(handler.stream in streams for handler in handlers)


class _LoopReader:
    """Reads a runner's loops without building them."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._counted: dict[str, _Counted] = {}
        self._first: tuple[int, float] | None = None  # step and time when training was first seen

    def read(self) -> State | None:
        """Return the state of the running loop, or None before any runs."""
        for name, label in (("_test_loop", "test"), ("_val_loop", "validate")):
            state = self._count(name, label)
            if state is not None:
                return state
        loop = getattr(self._runner, "_train_loop", None)
        done, total = getattr(loop, "iter", None), getattr(loop, "max_iters", None)
        if not isinstance(done, int) or not isinstance(total, int):
            return None
        loss, total = recent_loss(self._runner), self._reachable(done, total)
        return State("train", done, total, "" if loss is None else f"loss {loss:.4g}")

    def _reachable(self, done: int, total: int) -> int:
        """Return the last step that the pace so far reaches before a hook ends the run.

        A hook says so by its attribute ``left_s``, the seconds until it does.
        """
        hooks = getattr(self._runner, "hooks", ())
        lefts = [float(one.left_s) for one in hooks if hasattr(one, "left_s")]
        if self._first is None:
            self._first = done, time.monotonic()
        first, begun_s = self._first
        elapsed_s = time.monotonic() - begun_s
        if not lefts or done == first or elapsed_s <= 0:
            return total
        return min(total, done + max(1, round(min(lefts) * (done - first) / elapsed_s)))

    def _count(self, name: str, label: str) -> State | None:
        loop = getattr(self._runner, name, None)
        if loop is None or not hasattr(loop, "run_iter") or not hasattr(loop, "dataloader"):
            return None
        if name not in self._counted:
            self._counted[name] = _Counted(loop)
        counted = self._counted[name]
        return State(label, counted.done, counted.total) if counted.is_running else None


class _Counted:
    """Counts the steps of a validation or test loop from the time it is first seen."""

    def __init__(self, loop: Any) -> None:
        self.done = 0
        self.total = len(loop.dataloader)
        self.is_running = False
        self._run_iter = loop.run_iter
        loop.run_iter = self._step

    def _step(self, idx: int, data_batch: Any) -> Any:
        self.is_running = True
        result = self._run_iter(idx, data_batch)
        self.done = idx + 1
        self.is_running = self.done < self.total
        return result
