# SPDX-License-Identifier: Apache-2.0
"""Processes that end together with what they started: each is the leader of a group.

What a plugin's import or a build leaves running belongs to nobody, keeps pipes open, and would
outlive the check.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

__all__ = ["Usage", "kill_group", "lead_group", "run_group", "usage_of_group"]

_HAS_GROUPS = hasattr(os, "killpg")
_MOST_TOLD_BYTES = 2**20  # of what a program prints last, for each of its two streams
_PROC = Path("/proc")
_led: list[int] = []  # the group of this process, once another process ends it


def lead_group() -> None:
    """Make this process the leader of a group, for `kill_group` of the process that started it."""
    if _HAS_GROUPS:
        with suppress(OSError):  # it leads a session
            os.setpgid(0, 0)
        _led.append(os.getpid())


def kill_group(pid: int) -> None:
    """Kill a process that leads a group and what is left of that group.

    Args:
        pid: A child of this process, ended or not, that has not been waited for; or that has, and
            left others in its group.
    """
    if not _HAS_GROUPS:
        return
    with suppress(ProcessLookupError, PermissionError):  # nobody is left; on macOS, or a zombie is
        os.killpg(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of a group use.

    Attributes:
        processes: Their number.
        cpu_s: CPU time of those that live, and of those that they have waited for.
        is_active: Whether one of them runs, waits for its turn on a CPU, or for a disk.
    """

    processes: int
    cpu_s: float
    is_active: bool


def usage_of_group(pid: int) -> Usage | None:
    """Return what a group uses; None where the system does not tell.

    Args:
        pid: The leader of the group.
    """
    found = [fields for fields in _stats() if fields[2] == str(pid)]
    if not found:
        return None
    ticks = sum(int(ticks) for fields in found for ticks in fields[11:15])
    is_active = any(fields[0] in "RD" for fields in found)
    return Usage(len(found), ticks / os.sysconf("SC_CLK_TCK"), is_active)


def _stats() -> Iterator[list[str]]:
    """Yield what Linux tells of each process: state, parent, group, ..."""
    try:
        names = os.listdir(_PROC)
    except OSError:
        return
    for name in filter(str.isdigit, names):
        with suppress(OSError):  # it has ended
            text = (_PROC / name / "stat").read_text(errors="replace")
            yield text.rpartition(")")[2].split()


def run_group(
    command: Sequence[str],
    *,
    timeout_s: float | None = None,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return the last 1 MiB of each of its outputs; what it leaves is killed.

    Args:
        command: The program and its arguments, run without a shell.
        timeout_s: How long it may take, with what it leaves that keeps its output open.
        cwd: The folder to run it in; None for the current one.
        env: Its environment; None for that of this process.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    # Within the group of a case, it stays there: whoever ends the case ends it as well.
    is_leader = _HAS_GROUPS and os.getpgrp() not in _led
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        process_group=0 if is_leader else None,
    )
    outputs = [_Output(stream) for stream in (process.stdout, process.stderr) if stream]
    ends_s = None if timeout_s is None else time.monotonic() + timeout_s
    try:
        for output in outputs:  # they end when nobody can write to them any more
            output.join(None if ends_s is None else max(0.0, ends_s - time.monotonic()))
            if output.is_alive():
                raise subprocess.TimeoutExpired(command, timeout_s or 0)
        process.wait(None if ends_s is None else max(0.0, ends_s - time.monotonic()))
    finally:
        if is_leader:
            kill_group(process.pid)
        process.kill()
        process.wait()
    out, err = (output.text for output in outputs)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class _Output(Thread):
    """Reads what a program prints as it comes, and keeps the end: it may print without end."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._kept = bytearray()
        self.start()

    def run(self) -> None:
        """Read until nobody can write any more."""
        with self._stream as stream:
            while data := os.read(stream.fileno(), 2**16):
                self._kept += data
                del self._kept[:-_MOST_TOLD_BYTES]

    @property
    def text(self) -> str:
        """Return the end of the output, with the line endings of this system."""
        return self._kept.decode("utf-8", "replace").replace(os.linesep, "\n")
