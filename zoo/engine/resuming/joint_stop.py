# SPDX-License-Identifier: Apache-2.0
"""Stop several processes of one run before the same step, whichever of them gets the signal."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from zoo.engine.processes.meeting import met_store

__all__ = ["JointStop"]

_KEY, _SAVED = "zoo_stop_before", "zoo_saved_after"
_SAVING = timedelta(minutes=5)


class JointStop:
    """Agrees on the step before which all processes of a run stop.

    The process that gets the signal before step k announces k + 1 to all, through the store where
    the processes met, and does step k. No other can end step k earlier, because it waits in it for
    the gradients and the losses of all. A run of one process has nothing to agree on.
    """

    def __init__(self) -> None:
        self._store: Any = met_store()

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

    def leave_together(self, step: int, *, has_saved: bool) -> None:
        """Let the others wait until the checkpoint is written.

        A launcher that sees one process end stops the rest.

        Args:
            step: After which the run stops.
            has_saved: Whether this process has written it.
        """
        if self._store is None:
            return
        with suppress(RuntimeError):  # the first process has ended, or is too slow to wait for
            if has_saved:
                self._store.set(_SAVED, str(step))
            else:
                self._store.wait([_SAVED], _SAVING)
