# SPDX-License-Identifier: Apache-2.0
"""Garbage collection, left out while a listing makes objects that all live until it is printed."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_collecting"]


@contextmanager
def without_collecting() -> Iterator[None]:
    """Collect no garbage in the block, nor when the process ends.

    With 5,000 rows, looking again and again for cycles that are not there takes a sixth of the time
    of `zoo list`.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
