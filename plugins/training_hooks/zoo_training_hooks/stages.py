# SPDX-License-Identifier: Apache-2.0
"""Stages of a training run: which parameters train, at which rate, and until when."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from zoo.errors import ConfigError

__all__ = [
    "Stage",
    "check_coverage",
    "check_patterns",
    "parse_stages",
    "stage_at",
    "stages_in_warm_up",
]

_WHERE = "custom_hooks, StagedTraining.stages"
_KEYS = ("name", "train", "until", "lr")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage.

    Attributes:
        name: Name in the log.
        train: Shell-style patterns of parameter names.
        until: Last epoch or iteration of the stage, counted from 1.
        lr: Learning rate; None for the optimizer's.
    """

    name: str
    train: tuple[str, ...]
    until: int
    lr: float | None = None

    def trains(self, parameter: str) -> bool:
        """Return whether a pattern matches a parameter.

        Args:
            parameter: Name of the parameter.
        """
        return any(fnmatchcase(parameter, pattern) for pattern in self.train)


def parse_stages(rows: Sequence[Mapping[str, Any]]) -> tuple[Stage, ...]:
    """Return the stages of a config, each ending after the previous one.

    Args:
        rows: Dicts with ``name``, ``train``, ``until`` and, optionally, ``lr``.

    Raises:
        ConfigError: A row lacks a key, has an unknown key or an invalid value, or two stages
            overlap.
    """
    if not isinstance(rows, (list, tuple)) or not rows:
        raise _error(None, f"found {rows!r}, expected a list of stages")
    stages = tuple(_parse_stage(number, row) for number, row in enumerate(rows))
    names = [stage.name for stage in stages]
    for number, (before, stage) in enumerate(itertools.pairwise(stages), 1):
        if stage.name in names[:number]:
            raise _error(number, f"two stages are called {stage.name!r}")
        if stage.until <= before.until:
            found = f"stage {stage.name!r} lasts until {stage.until}, expected more than "
            found += f"{before.until}, where stage {before.name!r} ends"
            hint = "list the stages in order; each starts where the one before ends."
            raise _error(number, found, hint)
    return stages


def _parse_stage(number: int, row: Any) -> Stage:
    if not isinstance(row, Mapping):
        raise _error(number, f"found {row!r}, expected a dict")
    label = f"stage {row.get('name', number + 1)!r}"
    unknown = sorted(set(row) - set(_KEYS))
    lacks = [key for key in ("name", "train", "until") if row.get(key) in (None, "", [], ())]
    if unknown or lacks:
        found = f"the unknown key {unknown[0]!r}" if unknown else f"no {lacks[0]!r}"
        hint = f"a stage has the keys {', '.join(_KEYS)}."
        raise _error(number, f"{label} has {found}", hint)
    patterns = [row["train"]] if isinstance(row["train"], str) else row["train"]
    if not all(isinstance(pattern, str) for pattern in patterns):
        found = f"{label} trains {row['train']!r}, expected patterns of parameter names"
        raise _error(number, found)
    until, lr = row["until"], row.get("lr")
    if isinstance(until, bool) or not isinstance(until, int) or until < 1:
        found = f"{label} lasts until {until!r}, expected a whole number above 0"
        raise _error(number, found)
    if lr is not None and not _is_rate(lr):
        raise _error(number, f"{label} has the learning rate {lr!r}, expected a number above 0")
    return Stage(str(row["name"]), tuple(patterns), until, None if lr is None else float(lr))


def _is_rate(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0


def check_coverage(stages: Sequence[Stage], steps: int, unit: str) -> None:
    """Raise unless the stages last as long as the run.

    Args:
        stages: The stages in order.
        steps: Number of epochs or iterations of the run.
        unit: ``epoch`` or ``iteration``.

    Raises:
        ConfigError: The last stage ends before the run.
    """
    last = stages[-1]
    if last.until < steps:
        found = f"the last stage, {last.name!r}, ends with {unit} {last.until}, "
        found += f"the run with {unit} {steps}"
        key = "max_epochs" if unit == "epoch" else "max_iters"
        hint = f"end the last stage at {steps}, or set train_cfg.{key}={last.until}."
        raise _error(len(stages) - 1, found, hint)


def stages_in_warm_up(
    stages: Sequence[Stage], ends: Sequence[int], warm_ups: Sequence[tuple[int, int]]
) -> list[str]:
    """Return the names of stages that end within a warm-up and never reach their rates.

    A warm-up reaches the rate in its last iteration.

    Args:
        stages: The stages in order.
        ends: Last iteration of each stage in this run.
        warm_ups: First and last iteration of each scheduler that raises the rate.

    Raises:
        ConfigError: A warm-up lasts for the whole run.
    """
    for first, last in warm_ups:
        if first == 0 and last > ends[-1]:
            found = f"the warm-up lasts {last} iterations, the run {ends[-1]}, so that no stage "
            found += "trains at its rate"
            hint = f"end the warm-up sooner, as with param_scheduler.0.end={max(1, ends[0] // 10)}."
            raise _error(None, found, hint)
    begins = [0, *ends[:-1]]
    return [
        stage.name
        for stage, begin, end in zip(stages, begins, ends, strict=True)
        if any(first <= begin < end < last for first, last in warm_ups)
    ]


def check_patterns(stages: Sequence[Stage], names: Sequence[str], free: Sequence[str]) -> None:
    """Raise unless every pattern matches a parameter and every stage has one to train.

    Args:
        stages: The stages in order.
        names: Names of all parameters of the model.
        free: Names of those that the config itself does not freeze.

    Raises:
        ConfigError: A pattern matches no parameter, or a stage matches only frozen ones.
    """
    tops = list(dict.fromkeys(name.partition(".")[0] for name in names))
    for number, stage in enumerate(stages):
        for pattern in stage.train:
            if not any(fnmatchcase(name, pattern) for name in names):
                found = f"the pattern {pattern!r} of stage {stage.name!r} matches no parameter"
                hint = f"{tops[0] + '.*'!r} means all of {tops[0]}; the model has "
                raise _error(number, found, f"{hint}{', '.join(tops[:8])}.")
        if not any(stage.trains(name) for name in free):
            found = f"stage {stage.name!r} trains nothing: the config freezes everything it names"
            hint = "choose other parameters, or lower frozen_stages in the model."
            raise _error(number, found, hint)


def stage_at(stages: Sequence[Stage], position: int) -> Stage:
    """Return the stage of the next epoch or iteration, after ``position`` of them.

    Args:
        stages: The stages in order.
        position: Number of finished epochs or iterations, from 0.

    Example:
        >>> stages = [Stage("heads", ("*",), until=6), Stage("all", ("*",), until=12)]
        >>> [stage_at(stages, done).name for done in (0, 5, 6)]
        ['heads', 'heads', 'all']
    """
    return next((stage for stage in stages if position < stage.until), stages[-1])


def _error(number: int | None, found: str, hint: str | None = None) -> ConfigError:
    where = _WHERE if number is None else f"{_WHERE}.{number}"
    return ConfigError(f"cannot train in stages: {found}.", where=where, hint=hint)
