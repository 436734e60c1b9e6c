# SPDX-License-Identifier: Apache-2.0
"""The CPUs that this process may use: of the machine, by its affinity, by a container's quota."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    # Whatever is not as the kernel writes it means that no quota is known.
    with suppress(OSError, ValueError, IndexError):
        paths = _paths((root / "proc/self/cgroup").read_text(encoding="utf-8"))
        for mount in (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            quotas += _quotas_below(mount, paths, root)
    return min(quotas, default=None)


def _paths(text: str) -> dict[str, str]:
    """Return the cgroups of the process: ``cgroup2`` and ``cgroup`` (the one for CPUs) -> path."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            found["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            found["cgroup"] = path
    return found


def _quotas_below(mount: str, paths: dict[str, str], root: Path) -> Iterator[float]:
    """Yield the quotas from the cgroup of the process up to the mount of its hierarchy."""
    head, _, tail = mount.partition(" - ")
    kind, _, options = tail.split(" ", 2)
    if kind not in paths or (kind == "cgroup" and "cpu" not in options.split(",")):
        return
    top, place = head.split(" ")[3:5]
    folder = root / place.lstrip("/")
    # In a container the path may be the host's, above what is mounted.
    within = paths[kind].removeprefix(top.rstrip("/")).strip("/")
    here = folder / within if ".." not in within.split("/") else folder
    for each in (here, *here.parents):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota = _read(each, kind)
            if quota is not None and quota > 0:
                yield quota
        if each == folder:
            break


def _read(folder: Path, kind: str) -> float | None:
    """Return the quota of one cgroup, in CPUs."""
    if kind == "cgroup2":
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    micros = int((folder / "cpu.cfs_quota_us").read_text(encoding="utf-8"))
    period_us = int((folder / "cpu.cfs_period_us").read_text(encoding="utf-8"))
    return None if micros < 0 else micros / period_us
