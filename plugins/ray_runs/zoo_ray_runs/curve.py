# SPDX-License-Identifier: Apache-2.0
"""The validations of a trial, read from its work dir."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zoo
from zoo.errors import DataError
from zoo_ray_runs.record import TRIALS, SweepRecord, TrialRecord, score_of

__all__ = ["TrialCurve", "measured", "ranked_by", "read_curve", "watched_value"]


@dataclass(frozen=True, slots=True)
class TrialCurve:
    """The values of a trial.

    Attributes:
        metric: Their name.
        direction: ``higher``, ``lower`` or ``zero``: what is best.
        values: Step -> value; NaN if it was not finite.
        is_assumed: Whether the direction is guessed by the name, because nothing states it.
    """

    metric: str
    direction: str
    values: dict[int, float]
    is_assumed: bool = False

    @property
    def scores(self) -> list[float]:
        """Numbers that are higher for a better value, one for each validation; no number: worst."""
        found = (score_of(value, self.direction) for value in self.values.values())
        return [score if math.isfinite(score) else -math.inf for score in found]

    @property
    def best_step(self) -> int | None:
        """The first step with the best value, or None if no value is finite."""
        scores = self.scores
        if not scores or max(scores) == -math.inf:
            return None
        return list(self.values)[scores.index(max(scores))]


def watched_value(config: Mapping[str, Any]) -> str | None:
    """Return the value whose best checkpoint the runs of a config keep, or None without a name.

    Args:
        config: Plain values.

    Example:
        >>> watched_value({"default_hooks": {"checkpoint": {"save_best": ["mIoU", "loss"]}}})
        'mIoU'
    """
    default, custom = config.get("default_hooks"), config.get("custom_hooks")
    hooks = [*default.values()] if isinstance(default, dict) else []
    hooks += custom if isinstance(custom, list) else []
    for hook in hooks:
        names = hook.get("save_best") if isinstance(hook, dict) else None
        first = names[0] if isinstance(names, list) and names else names
        if isinstance(first, str) and first != "auto":
            return first
    return None


def read_curve(
    work_dir: Path, metric: str | None, direction: str | None = None
) -> TrialCurve | None:
    """Return the values of a trial so far, or None if nothing was measured yet.

    Args:
        work_dir: Its folder.
        metric: Name of the value; ``val/NAME`` for a loss; None for what chooses the run's best
            checkpoint, else the first that validation measures.
        direction: Which value is better; None for what is stated, or else guessed.

    Raises:
        DataError: Something was measured, but not that; or no value of it is better than others.
    """
    try:
        run = zoo.read_run(work_dir)
    except DataError:  # it has not begun to log
        return None
    # With those that were never a number yet: the next validation may measure one.
    curves = run.validations
    if not curves:
        return None
    name = metric or _default_value(run)
    if name not in curves:
        near = difflib.get_close_matches(name, list(curves), 3) or list(curves)[:8]
        message = f"cannot rank by {name!r}: validation measures no such value."
        raise DataError(message, path=work_dir, hint=f"--metric {' or '.join(near)}")
    known = direction or run.known_direction(name)
    direction = known or run.direction(name)
    if direction not in ("higher", "lower", "zero"):
        message = f"cannot rank by {name!r}: none of its values is better than another."
        raise DataError(message, path=work_dir, hint="give another --metric.")
    return TrialCurve(name, direction, dict(curves[name]), is_assumed=known is None)


def _default_value(run: zoo.Run) -> str:
    """Return what chooses the best checkpoint of a run, else what its log names first."""
    watched = watched_value(run.config)
    if watched is not None and watched in run.validations:
        return watched
    return next(iter(run.validations))


def measured(work_dir: Path, record: SweepRecord, trial: TrialRecord) -> TrialRecord:
    """Return a trial with what its folder says of it.

    Args:
        work_dir: Folder of the sweep.
        record: The sweep.
        trial: The trial.
    """
    folder = work_dir / TRIALS / trial.name
    try:
        curve = read_curve(folder, record.metric, record.direction)
        run = zoo.read_run(folder)
    except DataError:
        return trial
    made_by = run.provenance
    trial = replace(
        trial,
        steps=(made_by and made_by.steps) or max(run.losses.get("loss", {0: 0.0})),
        seconds=0.0 if made_by is None else round(made_by.seconds, 1),
    )
    best = None if curve is None else curve.best_step
    if curve is None or best is None:
        return trial
    return replace(trial, value=curve.values[best], step=best)


def ranked_by(
    work_dir: Path, record: SweepRecord, metric: str | None, direction: str | None
) -> SweepRecord:
    """Return a sweep whose trials that have ended are measured anew by another value.

    Args:
        work_dir: Folder of the sweep.
        record: The sweep.
        metric: Name of the value, or None for the same.
        direction: Which value is better; None for what is stated, or else guessed.

    Raises:
        DataError: No trial has measured it.
    """
    name = metric or record.metric
    if name == record.metric:
        direction = direction or record.direction
    ended = [trial for trial in record.trials if trial.has_ended]
    fault: DataError | None = None
    found: TrialCurve | None = None
    for trial in ended:
        try:
            found = found or read_curve(work_dir / TRIALS / trial.name, name, direction)
        except DataError as error:
            fault = fault or error
    if found is None and fault is not None:
        raise fault
    direction = direction if found is None else found.direction
    record = replace(record, metric=name, direction=direction)
    for trial in ended:
        again = measured(work_dir, record, replace(trial, value=None, step=None))
        record = record.with_trial(again)
    return record
