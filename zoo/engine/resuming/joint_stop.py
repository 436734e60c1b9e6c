# SPDX-License-Identifier: Apache-2.0
"""Stop several processes of one run before the same step, whichever of them gets the signal."""

from __future__ import annotations

from typing import Any

__all__ = ["JointStop"]

_KEY = "zoo_stop_before"


class JointStop:
    """Agrees on the step before which all processes of a run stop.

    The process that gets the signal before step k announces k + 1 to all, through the store where
    the processes met, and does step k. No other can begin step k + 1 earlier, because step k waits
    for the gradients of all. A run of one process has nothing to agree on.
    """

    def __init__(self) -> None:
        self._store: Any = _find_store()

    @property
    def has_others(self) -> bool:
        """Whether the run has several processes."""
        return self._store is not None

    def ask(self, step: int) -> None:
        """Tell all processes to stop before the step after this one; the first to ask decides.

        Args:
            step: The running step, from 0.
        """
        if self._store is not None:
            self._store.compare_set(_KEY, "", str(step + 1))

    def is_before(self, step: int) -> bool:
        """Return whether the run stops before a step, by a request of any process.

        Args:
            step: The next step, from 0.
        """
        if self._store is None or not self._store.check([_KEY]):
            return False
        return step >= int(self._store.get(_KEY))


def _find_store() -> Any:
    from torch import distributed

    if not distributed.is_available() or not distributed.is_initialized():
        return None
    if distributed.get_world_size() == 1:
        return None
    return distributed.distributed_c10d._get_default_store()
