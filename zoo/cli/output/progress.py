# SPDX-License-Identifier: Apache-2.0
"""Show the progress of a command on stderr once it takes a while; zoo's log goes above the bar."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from zoo.engine.processes.meeting import is_first
from zoo.progress import ProgressBar, State

__all__ = ["byte_progress", "progress_bar"]

_QUIET_S = 0.5  # a faster download shows nothing on a terminal
_QUIET_LINES_S = 15.0  # and before this, no line elsewhere


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with the number done and the total.

    Args:
        label: The current action, e.g. ``predict``.
    """
    bar = ProgressBar()
    try:
        yield lambda done, total: bar.show(State(label, done, total))
    finally:
        bar.close()


@contextmanager
def byte_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with the bytes received and the total.

    Args:
        label: Name of the download.
    """
    if not is_first():
        yield lambda done, total: None
        return
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
    """Writes records in place of the bar, which is drawn again below them."""

    def __init__(self, bar: ProgressBar) -> None:
        super().__init__()
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        self._bar.close()
        with suppress(OSError):
            sys.stderr.write(f"{record.getMessage()}\n")
            sys.stderr.flush()
