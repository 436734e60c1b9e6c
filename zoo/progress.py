# SPDX-License-Identifier: Apache-2.0
"""Progress of a task: a tqdm bar on a terminal, an occasional plain line elsewhere."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TextIO

__all__ = ["ProgressBar", "State", "clock"]

_QUIET_S = 2.0  # shorter tasks show nothing
_LINE_S = 15.0  # between two lines without a terminal
_DRAWN_S = 0.1  # between two drawings on a terminal


@dataclass(frozen=True, slots=True)
class State:
    """Progress of a task.

    Attributes:
        label: The task, such as ``train``.
        done: Steps or bytes done.
        total: Steps or bytes in total; 0 if unknown.
        note: Extra text, such as the loss.
    """

    label: str
    done: int
    total: int
    note: str = ""


class ProgressBar:
    """Shows progress on a stream: a tqdm bar on a terminal, else a line every 15 seconds.

    Args:
        stream: Output stream; default ``sys.stderr``.
        quiet_s: Seconds from now before anything is shown.
        line_s: Seconds between lines if the stream is not a terminal.
        unit: Unit of the counts.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet_s: float = _QUIET_S,
        line_s: float = _LINE_S,
        unit: Literal["steps", "bytes"] = "steps",
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._quiet_s, self._line_s, self._unit = quiet_s, line_s, unit
        self._bar: Any = None
        self._label = ""
        self._first = 0
        self._born_s = self._started_s = time.monotonic()
        self._shown_s = -math.inf

    def show(self, state: State) -> None:
        """Show a state if it is time to; cheap otherwise.

        Args:
            state: The current progress.
        """
        now_s = time.monotonic()
        if state.label != self._label:
            self.close()
            self._label, self._first = state.label, state.done
            self._started_s = now_s
            if self._is_terminal:
                self._shown_s = -math.inf
        if now_s - self._born_s < self._quiet_s:
            return
        if not self._is_terminal and state.done == 0:
            return  # a line that tells neither rate nor time left
        if now_s - self._shown_s < (_DRAWN_S if self._is_terminal else self._line_s):
            return
        self._shown_s = now_s
        with suppress(OSError):  # failing to show progress must not end the task
            if self._is_terminal:
                self._draw(state)
            else:
                self._stream.write(self._line(state, now_s - self._started_s))
                self._stream.flush()

    def close(self) -> None:
        """Remove the bar from the terminal; the next state draws it again."""
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
            self._bar, self._shown_s = None, -math.inf

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
                unit="B" if self._unit == "bytes" else "it",
                unit_scale=self._unit == "bytes",
            )
            # Count the rate from the start of the task, not from when the bar appeared.
            self._bar.start_t -= time.monotonic() - self._started_s
        self._bar.n, self._bar.total = state.done, state.total or None
        self._bar.set_postfix_str(state.note, refresh=False)
        self._bar.refresh()

    def _line(self, state: State, elapsed_s: float) -> str:
        rate = (state.done - self._first) / elapsed_s if elapsed_s else 0.0
        text = f"{state.label}: {self._amount(state)}{f', {state.note}' if state.note else ''}"
        if rate > 0:
            text += f", {self._pace(rate)}"
            # A run resumed beyond its end has nothing left.
            left_s = max(state.total - state.done, 0) / rate
            text += f", {clock(left_s)} left" if state.total else ""
        return text + "\n"

    def _pace(self, rate: float) -> str:
        if self._unit == "bytes":
            return f"{rate / 1e6:.1f} MB/s"
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"

    def _amount(self, state: State) -> str:
        if self._unit == "bytes":
            share = state.done / state.total if state.total else 1.0
            return f"{share:.0%}, {state.done / 1e6:,.1f} of {state.total / 1e6:,.1f} MB"
        return f"{state.done}/{state.total}" if state.total else f"{state.done}"


def clock(seconds: float) -> str:
    """Format seconds as ``M:SS`` or ``H:MM:SS``.

    Args:
        seconds: 0 or more.

    Example:
        >>> clock(61), clock(3600)
        ('1:01', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
