# SPDX-License-Identifier: Apache-2.0
"""A trial as Ray Tune runs it: starts ``zoo train``, and reports each of its validations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from zoo.errors import DataError, ZooError
from zoo_ray_runs.commands import TrainProcess
from zoo_ray_runs.curve import TrialCurve, read_curve
from zoo_ray_runs.trial_process import wait_for_end

__all__ = ["ORDER", "Trial", "TrialOrder"]

ORDER = "order"
_LOOKS_S = 0.3
"""Between two looks into the log of a run."""


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """What a worker needs to run a trial.

    Attributes:
        name: The trial.
        work_dir: Its folder.
        words: The command line from ``train`` on, without ``--resume``.
        metric: What it is ranked by, or None for what chooses its best checkpoint.
        direction: Which of its values is better, or None for what is stated or guessed.
        cwd: Where relative paths of the config begin.
        threads: Threads of its process.
        has_ended: Whether an earlier sweep has ended it: its values are told again, so that later
            trials are compared with them, and nothing is trained.
    """

    name: str
    work_dir: Path
    words: tuple[str, ...]
    metric: str | None
    cwd: Path
    threads: int
    direction: str | None = None
    has_ended: bool = False

    @property
    def lock(self) -> Path:
        """The file that its process locks."""
        return self.work_dir.with_name(f"{self.work_dir.name}.lock")

    @property
    def log(self) -> Path:
        """What its process writes to stdout and stderr."""
        return self.work_dir.with_name(f"{self.work_dir.name}.log")


class Trial(tune.Trainable):  # type: ignore[misc] # Ray is not read by mypy
    """One trial; each of its steps is one validation, the last one its end."""

    def setup(self, config: dict[str, Any]) -> None:
        """Start the run, from its own checkpoint if it has one.

        Args:
            config: Holds the `TrialOrder`.
        """
        self._order: TrialOrder = config[ORDER]
        self._told = 0
        self._fault = ""
        self._process: TrainProcess | None = None
        if not self._order.has_ended:
            try:
                self._process = self._start()
            except (OSError, ZooError) as error:  # Ray would try again, and not say what it is
                self._fault = f"it cannot be started: {error}"

    def _start(self) -> TrainProcess:
        order = self._order
        wait_for_end(order.lock)  # a killed sweep's run may still be saving
        has_checkpoint = any(order.work_dir.glob("*.pth"))
        return TrainProcess(
            [*order.words, *["--resume"] * has_checkpoint],
            lock=order.lock,
            log=order.log,
            cwd=order.cwd,
            env={name: str(order.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        )

    def step(self) -> dict[str, Any]:
        """Wait for the next validation, or for the end, and return what to report."""
        order = self._order
        if self._fault:
            return self._end("failed", self._fault)
        while True:
            # Asked before the log is read, which then is complete.
            code = 0 if self._process is None else self._process.poll()
            try:
                curve = read_curve(order.work_dir, order.metric, order.direction)
            except DataError as error:
                return self._end("failed", f"{error}", is_of_all=True)
            if curve is not None and len(curve.values) > self._told:
                return self._tell(curve)
            if code is not None:
                failed = code != 0 and self._process is not None
                return self._end("failed" if failed else "finished")
            time.sleep(_LOOKS_S)

    def _tell(self, curve: TrialCurve) -> dict[str, Any]:
        score = curve.scores[self._told]
        self._told += 1
        return {
            "metric": curve.metric,
            "direction": curve.direction,
            "is_assumed": curve.is_assumed,
            "score": score,
            "validations": self._told,
        }

    def _end(self, state: str, error: str = "", *, is_of_all: bool = False) -> dict[str, Any]:
        if state == "failed" and not error and self._process is not None:
            error = self._process.failure()
        return {"state": state, "error": error, "is_of_all": is_of_all, "done": True}

    def cleanup(self) -> None:
        """Let the run save its step and end, if it has not ended."""
        if self._process is not None:
            self._process.stop()
