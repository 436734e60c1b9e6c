# SPDX-License-Identifier: Apache-2.0
"""How far a command is, on stderr, once it takes a while; what zoo logs goes above the bar."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from zoo.progress import ProgressBar, State

__all__ = ["byte_progress", "progress_bar"]

_QUIET_S = 0.5  # a download that is done before that draws nothing on a terminal
_QUIET_LINES_S = 15.0  # nor writes a line elsewhere


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with how many are done, and of how many.

    Args:
        label: What is being done, e.g. ``predict``.
    """
    bar = ProgressBar()
    try:
        yield lambda done, total: bar.show(State(label, done, total))
    finally:
        bar.close()


@contextmanager
def byte_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with the bytes that came, and of how many.

    Args:
        label: What is fetched.
    """
    quiet_s = _QUIET_S if sys.stderr.isatty() else _QUIET_LINES_S
    bar = ProgressBar(quiet_s=quiet_s, unit="bytes")
    logger = logging.getLogger("zoo")
    handler = _AboveBar(bar)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lambda done, total: bar.show(State(label, done, total))
    finally:
        bar.close()
        logger.removeHandler(handler)
        logger.setLevel(level)


class _AboveBar(logging.Handler):
    """Writes records where the bar was; it is drawn again below them."""

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__()
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        self._bar.close()
        with suppress(OSError):
            sys.stderr.write(f"{record.getMessage()}\n")
            sys.stderr.flush()
