# SPDX-License-Identifier: Apache-2.0
"""How far a run is: a bar on a terminal, a plain line now and then elsewhere.

A training step pays nothing for it: the loops are watched from a thread that reads their own
counters, and only loops without a counter (validation and test) get one.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["ProgressBar", "State", "clock", "recent_loss", "watch_runner"]

_QUIET_S = 2.0  # what is done before that shows nothing
_POLL_S = 0.25
_RECENT = 20  # steps whose mean loss is shown
_LINE_S = 15.0  # between two lines where there is no terminal


@dataclass(frozen=True, slots=True)
class State:
    """Where a piece of work is.

    Attributes:
        label: What is being done, e.g. ``train``.
        done: Steps that are done.
        total: Steps in all; 0 where that is not known.
        note: What to say of it, e.g. the loss.
    """

    label: str
    done: int
    total: int
    note: str = ""


class ProgressBar:
    """Shows states on a stream: tqdm's bar on a terminal, else a line every 15 seconds.

    Args:
        stream: Where to write; default ``sys.stderr``.
        quiet_s: Seconds from now before anything is shown.
        line_s: Seconds between lines where the stream is no terminal.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet_s: float = _QUIET_S,
        line_s: float = _LINE_S,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._quiet_s, self._line_s = quiet_s, line_s
        self._bar: Any = None
        self._label = ""
        self._first = 0
        self._born_s = self._started_s = time.monotonic()
        self._shown_s = -math.inf

    def show(self, state: State) -> None:
        """Show a state; cheap when it is not yet time to.

        Args:
            state: How far the work is.
        """
        now_s = time.monotonic()
        if state.label != self._label:
            self.close()
            self._label, self._first = state.label, state.done
            self._started_s = now_s
        if now_s - self._born_s < self._quiet_s:
            return
        if self._is_terminal:
            with suppress(OSError):
                self._draw(state)
        elif now_s - self._shown_s >= self._line_s:
            self._shown_s = now_s
            with suppress(OSError):  # no work ends because its progress cannot be shown
                self._stream.write(self._line(state, now_s - self._started_s))
                self._stream.flush()

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, state: State) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                desc=state.label,
                total=state.total or None,
                initial=self._first,
                file=self._stream,
                leave=False,
                dynamic_ncols=True,
            )
            # The rate counts from when the work began, not from when the bar appeared.
            self._bar.start_t -= time.monotonic() - self._started_s
        self._bar.n = state.done
        self._bar.set_postfix_str(state.note, refresh=False)
        self._bar.refresh()

    def _line(self, state: State, elapsed_s: float) -> str:
        text = f"{state.label}: {state.done}"
        if state.total:
            text += f"/{state.total}"
        text += f", {state.note}" if state.note else ""
        steps = state.done - self._first
        if steps > 0:
            text += f", {steps / elapsed_s:.1f}/s"
            # A run that is resumed beyond its end is at it.
            left_s = max(state.total - state.done, 0) * elapsed_s / steps
            text += f", {clock(left_s)} left" if state.total else ""
        return text + "\n"


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them.

    Example:
        >>> clock(61), clock(3600)
        ('1:01', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def recent_loss(runner: Runner) -> float | None:
    """Return the mean loss of a runner's last steps, or None before the first of them.

    mmengine keeps the losses of every step by itself; they are only read here, from any thread.
    """
    hub = getattr(runner, "message_hub", None)  # a runner of another kind may have none
    kept = None if hub is None else hub.log_scalars.get("train/loss")
    if kept is None:
        return None
    recent = kept.data[0][-_RECENT:]
    return float(recent.mean()) if len(recent) else None


@contextmanager
def watch_runner(runner: Runner, bar: ProgressBar | None = None) -> Iterator[None]:
    """Show where a runner is while the block runs: training, validation or test.

    A thread looks at the train loop's own counter a few times a second; nothing is added to a
    training step. Validation and test loops have no counter, so each of their steps is counted.
    Only the main process shows anything. mmengine's console log goes above the bar.

    Args:
        runner: Its loops may be built inside the block.
        bar: Where to show it; by default a bar on stderr.
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
    return any(getattr(handler, "stream", None) in streams for handler in logger.handlers)


class _LoopReader:
    """Reads a runner's loops without building them."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._counted: dict[str, _Counted] = {}

    def read(self) -> State | None:
        """Return the state of the loop that runs now, or None before any does."""
        for name, label in (("_test_loop", "test"), ("_val_loop", "validate")):
            state = self._count(name, label)
            if state is not None:
                return state
        loop = getattr(self._runner, "_train_loop", None)
        done, total = getattr(loop, "iter", None), getattr(loop, "max_iters", None)
        if not isinstance(done, int) or not isinstance(total, int):
            return None
        loss = recent_loss(self._runner)
        return State("train", done, total, "" if loss is None else f"loss {loss:.4g}")

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
