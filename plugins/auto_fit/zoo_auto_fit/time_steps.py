# SPDX-License-Identifier: Apache-2.0
"""A hook that times the first steps of a run, its validation and its checkpoint."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from zoo.data import replace_file
from zoo.errors import ConfigError

__all__ = ["TimeSteps"]

_LEAST = 4
"""Steps before a probe may end; the first is left out, because memory is laid out in it."""


class TimeSteps(Hook):
    """Time the steps of a short run, and write what they took as JSON.

    The run ends as soon as it has used its time, at least four steps, and its last step is followed
    by a validation and a checkpoint as any last step.

    Args:
        out: File to write: ``start_s``, ``step_s`` (the median), ``val_s``, ``save_s``, ``steps``,
            ``memory_bytes`` (of the GPU if there is one, else of this process and its workers), and
            ``first_s``, the part of ``val_s`` up to the end of its first image, which takes longer.
        begun_s: When the process was started, in s since 1970; None for when the hook is built.
        spend_s: Time for steps.

    Raises:
        ConfigError: ``spend_s`` is not above 0.
    """

    # After CheckpointHook, so that its time is seen.
    priority = "LOWEST"

    def __init__(
        self, out: str | None = None, begun_s: float | None = None, spend_s: float = 8.0
    ) -> None:
        if not spend_s > 0:
            message = f"cannot time steps: spend_s is {spend_s!r}, expected above 0."
            raise ConfigError(message, where="custom_hooks.TimeSteps", hint="leave it out.")
        self._out = out
        self._begun_s = time.time() if begun_s is None else begun_s
        self._spend_s = spend_s
        self._starts: list[float] = []
        self._done = self._validating = self._validated = self._first_done = math.nan
        self._bytes = 0

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Note when a step begins, and make it the last one once the time is used.

        Args:
            runner: The runner.
            batch_idx: Not used.
            data_batch: Not used.
        """
        self._starts.append(time.time())
        is_enough = len(self._starts) >= _LEAST
        if is_enough and self._starts[-1] - self._starts[0] >= self._spend_s:
            runner.train_loop._max_iters = runner.iter + 1

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note when a step with its checkpoint is done.

        Args:
            runner: The runner.
            batch_idx: Not used.
            data_batch: Not used.
            outputs: Not used.
        """
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._done = time.time()

    def before_val(self, runner: Any) -> None:
        """Note when the validation begins.

        Args:
            runner: The runner.
        """
        self._validating = time.time()

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note when the first image of the validation is done.

        Args:
            runner: The runner.
            batch_idx: Number of the batch.
            data_batch: Not used.
            outputs: Not used.
        """
        if batch_idx == 0:
            self._first_done = time.time()

    def after_val(self, runner: Any) -> None:
        """Note when the validation is done, and the memory while its worker is there.

        Args:
            runner: The runner.
        """
        self._validated = time.time()
        self._bytes = _used_bytes()

    def after_train(self, runner: Any) -> None:
        """Write what was measured; the checkpoint is written once more, timed.

        Args:
            runner: The runner.
        """
        self._bytes = max(self._bytes, _used_bytes())
        if self._out is None or len(self._starts) < 2:
            return
        begun = time.time()
        runner.save_checkpoint(runner.work_dir, "timed.pth", by_epoch=False)
        save_s = time.time() - begun
        ends = [*self._starts[1:], self._done]
        # The last step ends with a checkpoint, the others with the next step's images.
        durations = [end - start for start, end in zip(self._starts, ends, strict=True)][1:-1]
        measured = {
            "start_s": self._starts[0] - self._begun_s,
            "step_s": statistics.median(durations or [ends[0] - self._starts[0]]),
            "val_s": _between(self._validating, self._validated),
            "first_s": _between(self._validating, self._first_done),
            "save_s": save_s,
            "steps": len(self._starts),
            "memory_bytes": self._bytes,
        }
        replace_file(Path(self._out), json.dumps(measured).encode())


def _between(begin: float, end: float) -> float:
    return 0.0 if math.isnan(end - begin) else end - begin


def _used_bytes() -> int:
    """Return the most memory that was used at once: of the GPU, or of this process and workers."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    workers = [one.pid for one in multiprocessing.active_children() if one.pid]
    return sum(_peak_bytes(pid) for pid in (os.getpid(), *workers))


def _peak_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, StopIteration, IndexError):  # another system, or it has ended
        return 0
