# SPDX-License-Identifier: Apache-2.0
"""How far a piece of work is: tqdm's bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TextIO

__all__ = ["ProgressBar", "State", "clock"]

_QUIET_S = 2.0  # what is done before that shows nothing
_LINE_S = 15.0  # between two lines where there is no terminal
_DRAWN_S = 0.1  # between two drawings on a terminal


@dataclass(frozen=True, slots=True)
class State:
    """Where a piece of work is.

    Attributes:
        label: What is being done, e.g. ``train``.
        done: Steps, or bytes, that are done.
        total: Of them in all; 0 where that is not known.
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
        unit: What is counted.
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
        """Show a state; cheap when it is not yet time to.

        Args:
            state: How far the work is.
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
        if now_s - self._shown_s < (_DRAWN_S if self._is_terminal else self._line_s):
            return
        self._shown_s = now_s
        with suppress(OSError):  # no work ends because its progress cannot be shown
            if self._is_terminal:
                self._draw(state)
            else:
                self._stream.write(self._line(state, now_s - self._started_s))
                self._stream.flush()

    def close(self) -> None:
        """Take the bar off the terminal; the next state draws it again."""
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
            # The rate counts from when the work began, not from when the bar appeared.
            self._bar.start_t -= time.monotonic() - self._started_s
        self._bar.n = state.done
        self._bar.set_postfix_str(state.note, refresh=False)
        self._bar.refresh()

    def _line(self, state: State, elapsed_s: float) -> str:
        rate = (state.done - self._first) / elapsed_s if elapsed_s else 0.0
        text = f"{state.label}: {self._amount(state)}{f', {state.note}' if state.note else ''}"
        if rate > 0:
            text += f", {rate / 1e6:.1f} MB/s" if self._unit == "bytes" else f", {rate:.1f}/s"
            # A run that is resumed beyond its end is at it.
            left_s = max(state.total - state.done, 0) / rate
            text += f", {clock(left_s)} left" if state.total else ""
        return text + "\n"

    def _amount(self, state: State) -> str:
        if self._unit == "bytes":
            share = state.done / state.total if state.total else 1.0
            return f"{share:.0%}, {state.done / 1e6:,.1f} of {state.total / 1e6:,.1f} MB"
        return f"{state.done}/{state.total}" if state.total else f"{state.done}"


def clock(seconds: float) -> str:
    """Return seconds as a clock shows them.

    Args:
        seconds: 0 or more.

    Example:
        >>> clock(61), clock(3600)
        ('1:01', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
