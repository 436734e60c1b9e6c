# SPDX-License-Identifier: Apache-2.0
"""Run zoo's own commands, each in a process of its own: `zoo fit` trains by no second path."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Ended", "is_out_of_memory", "run_zoo"]

_OUT_OF_MEMORY = (
    *("out of memory", "not enough memory", "can't allocate memory", "Cannot allocate memory"),
    *("Unable to allocate", "MemoryError", "bad_alloc"),
)
_KILLED = (-9, 137)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code; below 0, the signal that ended it.
        out: What it wrote to stdout.
        err: What it wrote to stderr; empty if it was shown instead.
        is_late: Whether it was killed because its time was up.
    """

    code: int
    out: str
    err: str
    is_late: bool = False


def run_zoo(words: Sequence[str], *, shown: bool = False, most_s: float | None = None) -> Ended:
    """Run a command of zoo and wait for it; a Ctrl-C reaches it too, and it is waited for.

    Args:
        words: The command line without ``zoo``.
        shown: Whether its stderr is passed on as it comes.
        most_s: When it is killed; None for never.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the command has ended as it does then.
    """
    process = subprocess.Popen(  # noqa: S603 - this interpreter, with words of ours
        [sys.executable, "-m", "zoo", *words],
        stdout=subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        out, err = process.communicate(timeout=most_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(process.returncode, out or "", err or "", is_late=True)
    except KeyboardInterrupt:
        # It saves what it has; a second Ctrl-C ends it, and then this.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=120)
        if process.poll() is None:
            process.kill()
            process.communicate()
        raise
    return Ended(process.returncode, out or "", err or "")


def is_out_of_memory(ended: Ended) -> bool:
    """Return whether a command ended because memory did not suffice.

    Args:
        ended: How it ended.
    """
    says = any(text in ended.err for text in _OUT_OF_MEMORY)
    return ended.code != 0 and (ended.code in _KILLED or says)
