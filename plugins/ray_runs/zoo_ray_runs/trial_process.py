# SPDX-License-Identifier: Apache-2.0
"""One ``zoo train`` that ends with the process that started it, however that ended.

``python -m zoo_ray_runs.trial_process LOCK train ...``: stdin is a pipe of the starter. Once it
closes, the run is told to stop as by Ctrl-C: it saves its step and ends. A killed sweep thus leaves
no run behind that trains on alone, on any system.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["SAVES_S", "is_running", "wait_for_end"]

SAVES_S = 120.0
"""How long a run may take to save its step."""


def is_running(lock: Path) -> bool:
    """Return whether a run holds its lock.

    Args:
        lock: File of the lock.
    """
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def wait_for_end(lock: Path, *, timeout_s: float = SAVES_S) -> None:
    """Wait until a run that was told to stop has ended.

    Args:
        lock: File of its lock.
        timeout_s: How long at most.
    """
    until = time.monotonic() + timeout_s
    while is_running(lock) and time.monotonic() < until:
        time.sleep(0.1)


def _end_with_starter() -> None:
    """Wait for the end of stdin, then stop this process: as by Ctrl-C, in the end by force."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(SAVES_S)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def _main() -> None:
    lock, *words = sys.argv[1:]
    threading.Thread(target=_end_with_starter, daemon=True).start()
    # A run of a killed sweep may still be saving.
    with FileLock(lock, timeout=SAVES_S):
        sys.argv = ["zoo", *words]
        runpy.run_module("zoo", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
