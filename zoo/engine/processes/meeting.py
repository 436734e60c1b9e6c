# SPDX-License-Identifier: Apache-2.0
"""Where the processes of a run meet before they join: torch's store, kept by the first one.

torchrun keeps such a store for the processes that it starts. For other launchers, the first process
keeps it, and torch finds it where it would open one of its own. So it is there as soon as a process
has started, and until the last one ends, whatever becomes of the process group.
"""

from __future__ import annotations

import atexit
import logging
import os
import platform
import time
from typing import Any

from zoo.engine.processes.launched import Launched, read_launched
from zoo.errors import TrainingError

__all__ = ["attempt", "find_ended", "is_first", "meet", "met_store"]

_OTHERS_S = 600  # machines of a cluster do not start at the same moment
_LEAVES_S = 30.0  # that the first process, which keeps the store, waits for one that still starts
_AGENT = "TORCHELASTIC_USE_AGENT_STORE"
_ATTEMPT = "TORCHELASTIC_RESTART_COUNT"
_PROCESS = "process/"
_STORE: list[Any] = []
_RANK: list[int] = []
_LOG = logging.getLogger("zoo")


def meet(launcher: str) -> None:
    """Meet the other processes of this run, if there are any.

    Args:
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        TrainingError: The launcher has not started this process, the port is in use, or the first
            process does not answer.
    """
    if launcher == "none" or _STORE:
        return
    launched = read_launched(launcher)
    if launched.count == 1:
        return
    _RANK.append(launched.rank)
    _LOG.addFilter(_is_from_first)
    from torch._C._distributed_c10d import PrefixStore

    keeps = os.environ.get(_AGENT) != "True" and launched.rank == 0
    store = _open(launched, keeps=keeps)
    os.environ[_AGENT] = "True"
    os.environ.setdefault(_ATTEMPT, "0")
    _STORE.append(PrefixStore(f"/zoo/attempt_{attempt()}", store))
    _STORE[0].set(f"{_PROCESS}{launched.rank}", f"{os.getpid()} {platform.node()}")
    if keeps:
        atexit.register(_wait_for_all, launched.count)


def _wait_for_all(count: int) -> None:
    """Keep the store until all have met: one that comes later would wait for it for minutes."""
    end_s = time.monotonic() + _LEAVES_S
    keys = [f"{_PROCESS}{rank}" for rank in range(count)]
    while not _STORE[0].check(keys) and time.monotonic() < end_s:
        time.sleep(0.05)


def is_first() -> bool:
    """Return whether this is the first process of its run, or the only one: it reports."""
    return not any(_RANK)


def _is_from_first(record: logging.LogRecord) -> bool:
    return is_first()


def find_ended() -> int | None:
    """Return the number of another process of this run, on this machine, that has ended."""
    store = met_store()
    if store is None:
        return None
    for rank in range(int(os.environ["WORLD_SIZE"])):
        key = f"{_PROCESS}{rank}"
        if rank == _RANK[0] or not store.check([key]):
            continue
        pid, _, machine = store.get(key).decode().partition(" ")
        if machine == platform.node() and not _is_alive(int(pid)):
            return rank
    return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def met_store() -> Any:
    """Return the store in which this run's processes leave notes, or None if there is but one."""
    return _STORE[0] if _STORE else None


def attempt() -> int:
    """Return how often the launcher has started this run's processes again."""
    text = os.environ.get(_ATTEMPT, "")
    return int(text) if text.isdecimal() else 0


def _open(launched: Launched, *, keeps: bool) -> Any:
    from datetime import timedelta

    from torch._C._distributed_c10d import TCPStore

    place = f"{launched.address}:{launched.port}"
    try:
        return TCPStore(
            launched.address,
            launched.port,
            is_master=keeps,
            wait_for_workers=False,
            timeout=timedelta(seconds=_OTHERS_S),
        )
    except RuntimeError as error:
        if keeps and "in use" in str(error).lower():
            message = f"cannot listen at {place} for the other processes: the port is in use."
            hint = "set MASTER_PORT to a free port."
        elif keeps:
            message = f"cannot listen at {place} for the other processes."
            hint = "set MASTER_ADDR to this machine's address, or MASTER_PORT to a free port."
        else:
            message = f"cannot reach the first process of this run at {place}."
            hint = "set MASTER_ADDR and MASTER_PORT alike for all; see the first process's log."
        raise TrainingError(message, where="MASTER_PORT", hint=hint) from error
