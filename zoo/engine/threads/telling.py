# SPDX-License-Identifier: Apache-2.0
"""What is told of threads: how many this process and its data workers have, and why."""

from __future__ import annotations

import os

from zoo.engine.threads.cores import Cores, find_cores
from zoo.engine.threads.defaults import stated

__all__ = ["busy_text", "threads_text"]

_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def threads_text(threads: int, *, workers: int, opencv: int = 1) -> str:
    """Return how many threads a run has, and why.

    Args:
        threads: What torch computes with in this process.
        workers: Processes that read the data; 0 if this process does.
        opencv: Threads of OpenCV in each of them.

    Returns:
        Such as ``2 (all CPUs of the machine); data workers: 4, with one thread each``.
    """
    cores = find_cores()
    return f"{threads} ({_why(threads, cores)}){busy_text(cores)}; {_of_workers(workers, opencv)}"


def busy_text(cores: Cores) -> str:
    """Return what would help while other processes want the CPUs too, or nothing.

    Args:
        cores: Of this process.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= 1.5 * cores.machine or stated("OMP_NUM_THREADS") is not None:
        return ""
    return f"; load {load:.1f}: while that lasts, OMP_NUM_THREADS=1 may train faster"


def _why(threads: int, cores: Cores) -> str:
    for name in _COUNTS:
        text = stated(name)
        if text and text.partition(",")[0].strip() == str(threads):
            return f"{name} says so"
    if threads != cores.usable:
        return f"as torch is set; this process can use {_cpus(cores.usable)}"
    if cores.quota is not None and cores.usable < cores.allowed:
        return f"the container's quota is {cores.quota:g} of {_cpus(cores.machine)}"
    if cores.allowed < cores.machine:
        return f"this process may use {cores.allowed} of {_cpus(cores.machine)}"
    return "all CPUs of the machine"


def _cpus(count: int) -> str:
    return f"{count} CPU" if count == 1 else f"{count} CPUs"


def _of_workers(workers: int, opencv: int) -> str:
    if not workers:
        return "no data workers, images are read between the steps"
    each = "one thread each" if opencv <= 1 else f"one thread each, OpenCV with {opencv}"
    return f"data workers: {workers}, with {each}"
