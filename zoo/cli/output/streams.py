# SPDX-License-Identifier: Apache-2.0
"""Keep stdout for results, and send the rest to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["log_on_stderr"]


@contextlib.contextmanager
def log_on_stderr() -> Iterator[None]:
    """Send mmengine's console log, and everything printed inside the block, to stderr.

    mmengine binds its handler to ``sys.stdout`` when it creates a logger, so the Runner must be
    built inside the block; stdout is kept for results.
    """
    with contextlib.redirect_stdout(sys.stderr):
        yield
