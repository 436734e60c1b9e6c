# SPDX-License-Identifier: Apache-2.0
"""Which process of a run tells the user that it has failed: the first, and no other.

A process that fails leaves a note in the store where all have met. The others lose their connection
to it, in whatever they are doing: that is no news, and they end without a word.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from zoo.engine.processes.meeting import find_ended, met_store

__all__ = ["has_failed", "is_first_to_tell", "is_lost_process", "wait_for_teller"]

_TOLD = "told"
_WAITS_S = 5.0
# What gloo, NCCL and torch's store say of a process that has ended.
_LOST = re.compile(
    r"connection (closed|reset) by peer|connection was (likely )?closed|broken pipe|gloo/transport"
    r"|nccl (error|operation|communicator)|remote process exited|socket timeout|failed to recv"
    r"|failed to (send|connect)|timed out waiting \d+ms for",
    re.IGNORECASE,
)


def is_first_to_tell() -> bool:
    """Note that this process has failed or stopped, and return whether no other has before.

    Of one process it is always true.
    """
    store = met_store()
    if store is None:
        return True
    try:
        return bool(store.add(_TOLD, 1) == 1)
    except RuntimeError:  # the process that keeps the store has ended: it has told
        return False


def _is_told(store: Any) -> bool:
    try:
        return bool(store.check([_TOLD]))
    except RuntimeError:  # as above
        return True


def has_failed() -> bool:
    """Return whether a process of this run has said that it ends, or has ended."""
    store = met_store()
    return store is not None and (_is_told(store) or find_ended() is not None)


def is_lost_process(error: BaseException) -> bool:
    """Return whether an error only says that another process of this run has ended.

    Args:
        error: What ends this process; the errors that it came from count too.
    """
    seen: set[int] = set()
    found: BaseException | None = error if met_store() is not None else None
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, (RuntimeError, ConnectionError)) and _LOST.search(str(found)):
            return True
        found = found.__cause__ or found.__context__
    return False


def wait_for_teller() -> str | None:
    """Wait until the process that failed has told; return what to tell if it never will.

    A process that tells does so before it ends, so under torchrun there is nothing to wait for:
    torchrun itself knows which process a signal has ended.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    end_s = time.monotonic() + _WAITS_S
    store = met_store()
    while time.monotonic() < end_s:
        if store is None or _is_told(store):
            return None
        time.sleep(0.05)
    if not is_first_to_tell():
        return None
    text = "cannot go on: another process of this run has ended without a message."
    hint = "look for it in the launcher's log: a machine without memory ends processes so. "
    return f"{text}\nHINT: {hint}Then continue with --resume."
