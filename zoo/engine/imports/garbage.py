# SPDX-License-Identifier: Apache-2.0
"""``uncollected``: switch off garbage collection while modules are imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Turn the garbage collector off in the block, and exempt the block's objects from it for good.

    Importing torch creates 250,000 objects that live as long as the process. The collector visits
    them several times during the import, and once more when the process ends: a quarter of the
    time of a short process. Only zoo's own processes use this, because a library must not change
    such a setting of its user.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
