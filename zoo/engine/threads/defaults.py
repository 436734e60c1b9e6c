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
from collections.abc import MutableMapping

from zoo.engine.threads.cores import Cores, find_cores

__all__ = ["SPINS", "set_thread_defaults", "stated"]

SPINS = "1000"
"""Turns of the loop before a waiting thread sleeps: libgomp's own number where threads outnumber
CPUs; else it takes 300,000."""

_WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_own: set[str] = set()


def set_thread_defaults() -> None:
    """Set the variables of OpenMP that the user has not set; has no effect once torch is loaded."""
    if "torch" not in sys.modules:
        _own.update(_set(os.environ, find_cores()))


def stated(name: str) -> str | None:
    """Return a variable of the environment if the user has set it, and None if zoo has.

    Args:
        name: Its name, such as ``OMP_NUM_THREADS``.
    """
    return None if name in _own else os.environ.get(name)


def _set(env: MutableMapping[str, str], cores: Cores) -> list[str]:
    """Set what is not set, and return the names of it."""
    done = []
    if not any(name in env for name in _WAITING):
        env["GOMP_SPINCOUNT"] = SPINS
        done.append("GOMP_SPINCOUNT")
    if cores.usable < cores.allowed and not any(name in env for name in _COUNTS):
        env["OMP_NUM_THREADS"] = str(cores.usable)
        done.append("OMP_NUM_THREADS")
    return done
