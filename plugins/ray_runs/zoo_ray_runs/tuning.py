# SPDX-License-Identifier: Apache-2.0
"""Trials on Ray Tune: started, stopped early, and told of one by one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayTaskError
from ray.tune.schedulers import ASHAScheduler

from zoo.errors import TrainingError, ZooError
from zoo_ray_runs.trial import ORDER, Trial, TrialOrder

__all__ = ["Teller", "Told", "run_trials"]

REDUCTION = 3
"""With early stopping, a third of the trials goes on after 1, 3, 9, ... validations."""

_MOST_VALIDATIONS = REDUCTION**12
_RESTARTS = 3
"""Of a trial whose worker was lost; a run that fails by itself is not started again."""

Told = Callable[[str, dict[str, Any]], bool]
"""Takes a trial's name and what it reports or how it ended; returns whether all must stop."""


class Teller(tune.Callback, tune.Stopper):  # type: ignore[misc] # Ray is not read by mypy
    """Passes on what trials report.

    Args:
        told: Takes it. What it raises ends all trials, and is kept as ``fault``: Tune would say
            that a callback has failed, and not why.
    """

    def __init__(self, told: Told) -> None:
        self.fault: ZooError | None = None
        self._told = told
        self._ended: set[str] = set()
        self._is_over = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether a trial must stop, which is the scheduler's to say."""
        return False

    def stop_all(self) -> bool:
        """Return whether all trials must stop."""
        return self._is_over

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on a validation or an end."""
        self._pass_on(trial, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that the scheduler has ended a trial that has not said that it ended."""
        self._pass_on(trial, {"state": "stopped", "error": ""})

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that a trial is given up."""
        times = "" if trial.num_failures <= 1 else f" {trial.num_failures} times"
        error = f"its worker failed{times}: {_reason(trial)}."
        self._pass_on(trial, {"state": "failed", "error": error})

    def _pass_on(self, trial: Any, said: dict[str, Any]) -> None:
        name = trial.config[ORDER].name
        if name in self._ended or self._is_over:
            return
        if "state" in said:
            self._ended.add(name)
        try:
            self._is_over = self._told(name, said)
        except ZooError as error:
            self.fault, self._is_over = error, True


def _reason(trial: Any) -> str:
    """Return why the worker of a trial has failed: what it raised, or how it was lost."""
    error = trial.get_pickled_error()
    lines = str(error or "").strip().splitlines() or ["unknown reason"]
    return lines[-1 if isinstance(error, RayTaskError) else 0].strip().rstrip(".")[:300]


def run_trials(
    orders: Sequence[TrialOrder],
    told: Told,
    *,
    cpus: int,
    gpus: float,
    asha: bool,
    folder: Path,
) -> None:
    """Run trials, as many at a time as fit, until each has ended.

    Args:
        orders: The trials, in the order of their start.
        told: Called with each validation and each end.
        cpus: Of one trial.
        gpus: Of one trial.
        asha: Whether trials with worse values than the others' are stopped early.
        folder: For files of Tune, which are removed in the end.

    Raises:
        ZooError: What ``told`` raises.
        TrainingError: Tune cannot go on.
    """
    scheduler = None
    if asha:
        scheduler = ASHAScheduler(
            time_attr="validations",
            metric="score",
            mode="max",
            grace_period=1,
            reduction_factor=REDUCTION,
            max_t=_MOST_VALIDATIONS,
        )
    teller = Teller(told)
    tuner = tune.Tuner(
        tune.with_resources(Trial, {"cpu": cpus, "gpu": gpus}),
        param_space={ORDER: tune.grid_search(list(orders))},
        tune_config=tune.TuneConfig(scheduler=scheduler),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder.absolute()),
            callbacks=[teller],
            stop=teller,
            failure_config=tune.FailureConfig(max_failures=_RESTARTS),
            # A run keeps its own checkpoints.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        # Tune prints a table of errors, whatever its verbosity is.
        with contextlib.redirect_stdout(None):
            tuner.fit()
    except (tune.TuneError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        message = f"cannot go on with the sweep: {lines[-1].strip().rstrip('.')[:300]}."
        hint = "correct that, then repeat the command with --resume."
        raise TrainingError(message, where=folder.parent, hint=hint) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if teller.fault is not None:
        raise teller.fault
