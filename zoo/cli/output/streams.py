# SPDX-License-Identifier: Apache-2.0
"""What commands leave on stdout, and what goes to stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["log_on_stderr"]


@contextlib.contextmanager
def log_on_stderr() -> Iterator[None]:
    """Send mmengine's console log, and what else prints inside the block, to stderr.

    mmengine binds its handler to ``sys.stdout`` when a logger is made, so the Runner must be built
    inside the block; stdout is left to results.
    """
    with contextlib.redirect_stdout(sys.stderr):
        yield
