# SPDX-License-Identifier: Apache-2.0
"""How far a command is, on stderr, once it takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with how many are done, and of how many.

    Args:
        label: What is being done, e.g. ``predict``.
    """
    from zoo.engine.runs.progress import ProgressBar, State

    bar = ProgressBar()
    try:
        yield lambda done, total: bar.show(State(label, done, total))
    finally:
        bar.close()
