# SPDX-License-Identifier: Apache-2.0
"""What this machine offers a run: CPUs, free memory, a GPU."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from zoo.engine.threads.cgroups import find_groups
from zoo.engine.threads.cores import find_cores
from zoo.interfaces import Machine

__all__ = ["find_machine", "read_free_bytes"]

# By cgroups' version: the limit, the use, and the line of memory.stat for cached files.
_NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
# Where they are mounted if nothing else is said; a container may see no more than these.
_USUAL = ((2, "sys/fs/cgroup"), (1, "sys/fs/cgroup/memory"))


def find_machine() -> Machine:
    """Return the CPUs, the memory and the GPU that this process may use.

    Imports torch, to ask for the GPU.
    """
    import torch

    cpus, free = find_cores().usable, read_free_bytes()
    if not torch.cuda.is_available():
        return Machine(cpus, free)
    free_of_gpu, _ = torch.cuda.mem_get_info()
    return Machine(cpus, free, torch.cuda.get_device_name(), free_of_gpu)


def read_free_bytes(root: Path = Path("/")) -> int:
    """Return the main memory that is free, within the limits of a container and those around it.

    A container's use counts files that were read and may be dropped; these are free, as the kernel
    counts them for the whole machine.

    Args:
        root: Where ``proc`` and ``sys`` are looked for.

    Returns:
        Bytes; where the system does not say, half of the memory that it has.
    """
    found = [_read_available(root)]
    usual = [(version, root / place) for version, place in _USUAL]
    for version, folder in dict.fromkeys([*find_groups("memory", root), *usual]):
        limit, used, cached = _NAMES[version]
        with suppress(OSError, ValueError):
            most = int((folder / limit).read_text(encoding="ascii"))
            in_use = int((folder / used).read_text(encoding="ascii"))
            found.append(most - max(0, in_use - _read_cached(folder, cached)))
    return max(0, min(found))


def _read_cached(folder: Path, name: str) -> int:
    """Return the bytes of files that only stay in memory as long as nothing else needs it."""
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return max(0, int(value))
    return 0


def _read_available(root: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return 4 * 2**30
