# SPDX-License-Identifier: Apache-2.0
"""How much memory a call takes on top of what the process has; known on Linux only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["peak_bytes"]

_RESET = "5"  # of the peak, see proc(5), clear_refs


def peak_bytes(call: Callable[[], object]) -> int | None:
    """Return the peak of resident memory during a call, less what was resident before.

    Args:
        call: Is called once.

    Returns:
        Bytes; None where the system does not tell them.
    """
    try:
        Path("/proc/self/clear_refs").write_text(_RESET, encoding="ascii")
        before = _status("VmRSS")
    except OSError:
        call()
        return None
    call()
    return max(0, _status("VmHWM") - before)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    message = f"/proc/self/status has no {key}"
    raise OSError(message)
