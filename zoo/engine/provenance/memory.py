# SPDX-License-Identifier: Apache-2.0
"""The most memory that a run has used: of its process, of its data workers, of its GPU."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["gpu_peak_bytes", "main_peak_bytes", "workers_bytes"]

_PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)


def main_peak_bytes() -> int | None:
    """Return the largest resident size that this process has had, or None where nothing tells."""
    if os.name != "posix":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def workers_bytes() -> int:
    """Return the sum of the largest resident sizes of the data workers that run now.

    Pages that forked workers share are counted for each of them. 0 without workers, and where
    there is no ``/proc``.
    """
    total = 0
    for child in multiprocessing.active_children():
        with suppress(OSError):  # it has ended
            text = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8", errors="replace")
            found = _PEAK.search(text)
            total += int(found[1]) * 1024 if found else 0
    return total


def gpu_peak_bytes() -> int:
    """Return the most memory that torch has used on the GPUs of this process; 0 without one."""
    import torch

    if not torch.cuda.is_available():
        return 0
    return sum(torch.cuda.max_memory_allocated(each) for each in range(torch.cuda.device_count()))
