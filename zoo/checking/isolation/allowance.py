# SPDX-License-Identifier: Apache-2.0
"""What the process of a case may use before it is ended: time, and other processes."""

from __future__ import annotations

import time
from typing import Protocol

from zoo.checking.process_groups import usage_of_group

__all__ = ["Allowance"]

_LOOK_S = 0.5
_MOST_PROCESSES = 256
_BUSY_SHARE = 0.01  # of a core; what uses less waits
_MOST_TIMES = 4


class _Receiver(Protocol):
    def poll(self, timeout: float, /) -> bool:
        """Return whether something to read, or the end, comes within so many seconds."""


class Allowance:
    """What is left to a process and its group, from now on.

    Where the system tells the CPU time of others, a process may compute for ``time_s``, or wait for
    that long without computing: on a busy machine, only the first tells a long case from an endless
    one. Elsewhere, and in any case after four times as long, the clock counts.

    Args:
        pid: The process, which leads a group.
        time_s: How long it may compute on each core, or wait.
        cores: How many cores it may use.
    """

    def __init__(self, pid: int, time_s: float, cores: int = 1) -> None:
        self._pid = pid
        self._time_s = time_s
        self._cores = cores
        self._started_s = self._busy_s = time.monotonic()
        usage = usage_of_group(pid)
        self._cpu_s = self._spent_s = 0.0 if usage is None else usage.cpu_s
        self._looked_s = self._started_s

    def wait(self, receiver: _Receiver) -> str | None:
        """Wait for what the process sends, and return None; or why it must end now.

        Args:
            receiver: Where it sends to; it has closed it if the next read fails.
        """
        while not receiver.poll(min(_LOOK_S, self._time_s)):
            reason = self._reason(time.monotonic())
            if reason is not None:
                return reason
        return None

    def _reason(self, now_s: float) -> str | None:
        usage = usage_of_group(self._pid)
        passed_s = now_s - self._started_s
        too_long = f"it did not finish within {self._time_s:g} s"
        if usage is None:
            return too_long if passed_s > self._time_s else None
        if usage.processes > _MOST_PROCESSES:
            return f"it runs more than {_MOST_PROCESSES} processes at once"
        has_computed = usage.cpu_s - self._cpu_s > _BUSY_SHARE * (now_s - self._looked_s)
        if has_computed or usage.is_active:  # one of many may get no turn for a second
            self._busy_s = now_s
        self._cpu_s, self._looked_s = usage.cpu_s, now_s
        if now_s - self._busy_s > self._time_s:
            return f"{too_long}: it waits, and computes nothing"
        is_spent = usage.cpu_s - self._spent_s > self._cores * self._time_s
        is_spent = is_spent and passed_s > self._time_s  # threads may spend it sooner
        is_spent = is_spent or passed_s > _MOST_TIMES * self._time_s
        return too_long if is_spent else None
