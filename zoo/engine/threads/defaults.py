# SPDX-License-Identifier: Apache-2.0
"""Threads of this process: what OpenMP reads when torch is loaded.

torch shares a step among the threads of OpenMP, which meet several hundred times in it. The one
that is there first waits in a loop, on a whole CPU, for up to 5 ms: if another process wants that
CPU, the thread that is waited for does not get it. On two CPUs with two busy processes beside it, a
step takes three times as long as it must. A short loop before sleeping costs nothing on idle CPUs.

The number of threads decides the order in which numbers are summed, so it is left as it is, unless
a container's quota pays for fewer. How a thread waits changes no result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping

from zoo.engine.threads.cores import Cores, find_cores

__all__ = ["SPINS", "set_thread_defaults", "stated"]

SPINS = "1000"
"""Turns of the loop before a waiting thread sleeps: libgomp's own number where threads outnumber
CPUs; else it takes 300,000."""

_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_SET_BY_ZOO = "_ZOO_SET_THREADS"
"""Which of them zoo has set, and to what: a process that inherits them is not bound by them."""


def set_thread_defaults() -> None:
    """Set the variables of OpenMP that the user has not set; has no effect once torch is loaded."""
    if "torch" not in sys.modules:
        _set(os.environ, find_cores())


def stated(name: str) -> str | None:
    """Return a variable of the environment if the user has set it, and None if zoo has.

    That zoo was another process, perhaps, which started this one.

    Args:
        name: Its name, such as ``OMP_NUM_THREADS``.
    """
    return None if name in _set_by_zoo(os.environ) else os.environ.get(name)


def _set(env: MutableMapping[str, str], cores: Cores) -> None:
    """Set what the user has not set, anew where a process before this one did."""
    for name in _set_by_zoo(env):
        del env[name]
    done = {}
    if not any(name in env for name in _WAITING):
        done["GOMP_SPINCOUNT"] = SPINS
    if cores.usable < cores.allowed and not any(name in env for name in _COUNTS):
        done["OMP_NUM_THREADS"] = str(cores.usable)
    env.update(done)
    env[_SET_BY_ZOO] = " ".join(f"{name}={value}" for name, value in done.items())


def _set_by_zoo(env: Mapping[str, str]) -> list[str]:
    """Return the variables that still have the value which zoo gave them."""
    pairs = (pair.partition("=") for pair in env.get(_SET_BY_ZOO, "").split())
    return [name for name, _, value in pairs if name in env and env[name] == value]
