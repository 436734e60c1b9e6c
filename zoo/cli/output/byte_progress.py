# SPDX-License-Identifier: Apache-2.0
"""How far a download is, on stderr: one line that is redrawn, or plain lines now and then.

It needs nothing but the standard library, since weights are fetched without the extra ``[mm]``.
"""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

__all__ = ["ByteProgress", "byte_progress"]

_DRAWN_S = 0.2  # between two drawings on a terminal
_LINE_S = 15.0  # between two lines elsewhere, and before the first
_QUIET_S = 0.5  # what is done before that draws nothing on a terminal
_BAR_WIDTH = 24


class ByteProgress:
    """Shows bytes that came, of how many, their rate and the time that is left.

    Args:
        label: What is fetched.
        stream: Where to write; default ``sys.stderr``.
    """

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()
        self._started_s = time.monotonic()
        self._first = -1
        wait_s = _QUIET_S if self._is_terminal else _LINE_S
        self._next_s = self._started_s + wait_s
        self._is_drawn = False

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` bytes are there; cheap when it is not time to."""
        now_s = time.monotonic()
        if self._first < 0:
            self._first, self._started_s = done, now_s
        if now_s < self._next_s:
            return
        text = self._text(done, total, now_s - self._started_s)
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{text[:width]}")
            self._next_s, self._is_drawn = now_s + _DRAWN_S, True
        else:
            self._write(f"{text}\n")
            self._next_s = now_s + _LINE_S

    def clear(self) -> None:
        """Take the line off the terminal."""
        if self._is_drawn:
            self._write("\r\x1b[K")
            self._is_drawn = False

    def _write(self, text: str) -> None:
        with suppress(OSError):  # no work ends because its progress cannot be shown
            self._stream.write(text)
            self._stream.flush()

    def _text(self, done: int, total: int, elapsed_s: float) -> str:
        share = done / total if total else 1.0
        bar = ""
        if self._is_terminal:
            filled = math.floor(share * _BAR_WIDTH)
            bar = f" [{'#' * filled}{'.' * (_BAR_WIDTH - filled)}]"
        text = f"{self._label}:{bar} {share:.0%}, {done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
        rate = (done - self._first) / elapsed_s if elapsed_s else 0.0
        if rate > 0:
            minutes, seconds = divmod(round((total - done) / rate), 60)
            text += f", {rate / 1e6:.1f} MB/s, {minutes}:{seconds:02} left"
        return text


@contextmanager
def byte_progress(label: str) -> Iterator[ByteProgress]:
    """Yield what to call with the bytes that came; what zoo logs goes above it, on stderr.

    Args:
        label: What is fetched.
    """
    shown = ByteProgress(label)
    logger = logging.getLogger("zoo")
    handler = _AboveBar(shown)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield shown
    finally:
        shown.clear()
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


class _AboveBar(logging.Handler):
    """Writes records where the line was; it is drawn again below them."""

    def __init__(self, shown: ByteProgress) -> None:
        super().__init__()
        self._shown = shown

    def emit(self, record: logging.LogRecord) -> None:
        self._shown.clear()
        with suppress(OSError):
            sys.stderr.write(f"{record.getMessage()}\n")
            sys.stderr.flush()
