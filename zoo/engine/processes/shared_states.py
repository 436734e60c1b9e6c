# SPDX-License-Identifier: Apache-2.0
"""Small states of all processes in the first one's hands, when it writes a checkpoint."""

from __future__ import annotations

import io
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size

from zoo.engine.processes.meeting import find_ended, met_store

__all__ = ["SharedStates"]

_LOG = logging.getLogger("zoo")
_WAIT_S, _LOOK_S = 60, 0.02
_KEPT = 8


class SharedStates:
    """States that the processes leave for the first one, at the same moment of the run.

    No process waits for another, but the first: it needs what it writes.
    """

    def __init__(self) -> None:
        self._moment = ""
        self._number = 0  # of the checkpoint among those of one moment
        self._left: deque[str] = deque()

    def leave(self, moment: str, state: Mapping[str, Any]) -> None:
        """Leave this process's state; every process calls it before each checkpoint.

        Args:
            moment: The same text in all processes.
            state: Tensors and plain values.
        """
        self._number = self._number + 1 if moment == self._moment else 0
        self._moment = moment
        store, rank = met_store(), get_rank()
        if store is None or rank == 0:
            return
        stream = io.BytesIO()
        torch.save(dict(state), stream)
        self._left.append(self._key(rank))
        store.set(self._left[-1], stream.getvalue())
        # Processes are never more than a step apart, so the first one has read the oldest.
        if len(self._left) > _KEPT:
            store.delete_key(self._left.popleft())

    def collect(self) -> list[dict[str, Any]] | None:
        """Return the states of the other processes, in their order; None if one does not come.

        Raises:
            ConnectionResetError: A process has ended.
        """
        store = met_store()
        if store is None:
            return None
        keys = [self._key(rank) for rank in range(1, get_world_size())]
        if not _wait(store, keys):
            text = "this checkpoint holds no random states of the other processes: a run that "
            _LOG.warning("%sresumes from it draws other random numbers", text)
            return None
        streams = [io.BytesIO(store.get(key)) for key in keys]
        return [torch.load(stream, weights_only=True) for stream in streams]

    def _key(self, rank: int) -> str:
        return f"state/{self._moment}/{self._number}/{rank}"


def _wait(store: Any, keys: list[str]) -> bool:
    """Wait until all keys are there; a process that has ended sends none.

    Raises:
        ConnectionResetError: A process has ended. What is being saved would not be whole.
    """
    end_s = time.monotonic() + _WAIT_S
    while not store.check(keys):
        ended = find_ended()
        if ended is not None and not store.check(keys):
            message = f"connection reset by peer: process {ended} has ended"
            raise ConnectionResetError(message)
        if time.monotonic() > end_s:
            return False
        time.sleep(_LOOK_S)
    return True
