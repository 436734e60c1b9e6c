# SPDX-License-Identifier: Apache-2.0
"""How many data workers fit into the memory: said when the system has killed one for lack of it."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo.engine.machine import read_free_bytes

__all__ = ["advise_workers", "fitting_workers"]

_GB = 1e9
_ROOM = 0.9  # of what is free, for what else grows


def advise_workers(key: str, wanted: int) -> str:
    """Return what to do about a worker that died, with the number of workers that fit.

    Args:
        key: The loader's key, such as ``train_dataloader``.
        wanted: Its number of workers.
    """
    each, free = _each_bytes(), _free_bytes()
    count = 0
    text = "if memory was short, use fewer workers: "
    if each:
        count = fitting_workers(wanted, each, free)
        text = f"if memory was short: a worker takes about {each / _GB:.1f} GB and "
        text += f"{free / _GB:.1f} GB are free for all of them, so {count} fit: "
    text += f"--cfg-options {key}.num_workers={count}"
    return text if count else f"{text} {key}.persistent_workers=False"


def fitting_workers(wanted: int, each_bytes: int, free_bytes: int) -> int:
    """Return how many workers fit, fewer than there were, since those did not.

    Args:
        wanted: Their number before.
        each_bytes: What one takes.
        free_bytes: What all of them may take.
    """
    return max(0, min(wanted - 1, int(free_bytes * _ROOM) // max(each_bytes, 1)))


def _each_bytes() -> int:
    """Return the memory of the largest living worker that it shares with no other process."""
    return max(_private(_worker_ids()), default=0)


def _free_bytes() -> int:
    """Return the memory that workers may take: what is free, and what the living ones have."""
    return read_free_bytes() + sum(_private(_worker_ids()))


def _worker_ids() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def _private(ids: Iterable[int]) -> list[int]:
    found = []
    for pid in ids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii", "replace")
            pages = re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)
            found.append(sum(map(int, pages)) * 1024)
    return found
