# SPDX-License-Identifier: Apache-2.0
"""``uncollected``: switch off garbage collection while modules are imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave Python's garbage collector off, and what was made inside out of all later searches.

    Importing torch makes 250,000 objects that live as long as the process. The collector walks
    through them several times meanwhile, and once more when the process ends, which takes a
    quarter of the time of a short one. For a process of zoo's own: a library changes no such
    setting of its user's.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
