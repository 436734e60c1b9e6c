# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.threads.cores, by tools/runtime_copies.py.
"""The CPUs that this process may use: of the machine, by its affinity, by a container's quota."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo_runtime.copied.cgroups import find_groups

__all__ = ["Cores", "find_cores", "read_quota"]


@dataclass(frozen=True, slots=True)
class Cores:
    """The CPUs of a process.

    Attributes:
        machine: CPUs of the machine.
        allowed: CPUs that the process may run on, by its affinity.
        quota: CPUs' worth of time that the process gets, by its cgroups; None if unlimited.
    """

    machine: int
    allowed: int
    quota: float | None = None

    @property
    def usable(self) -> int:
        """Return the threads that can run at once; one more would stop all of them at times."""
        if self.quota is None:
            return self.allowed
        return max(1, min(self.allowed, math.floor(self.quota)))


def find_cores() -> Cores:
    """Return the CPUs of this process.

    libgomp and torch count by the affinity alone: in a container with two CPUs' worth of time on a
    machine of 64, they start 64 threads.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    return Cores(machine, allowed, read_quota())


def read_quota(root: Path = Path("/")) -> float | None:
    """Return the CPUs' worth of time that the cgroups of this process leave it.

    The smallest quota on the way up counts, of cgroup v2 (``cpu.max``) and v1
    (``cpu.cfs_quota_us``).

    Args:
        root: Where ``proc`` and the mounted cgroups are looked for.

    Returns:
        CPUs, above 0; None without a quota, or where there are no cgroups.
    """
    quotas: list[float] = []
    for version, folder in find_groups("cpu", root):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota = _read(folder, version)
            if quota is not None and quota > 0:
                quotas.append(quota)
    return min(quotas, default=None)


def _read(folder: Path, version: int) -> float | None:
    """Return the quota of one cgroup, in CPUs."""
    if version == 2:
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    micros = int((folder / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
    period_us = int((folder / "cpu.cfs_period_us").read_text(encoding="utf-8"))
    return None if micros < 0 else micros / period_us
