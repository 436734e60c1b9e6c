# SPDX-License-Identifier: Apache-2.0
"""``sweep.json``: what a sweep is, its trials, and what became of them; written whole each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.data import replace_file
from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import DataError

__all__ = ["ENDED", "NAME", "SweepRecord", "TrialRecord", "find_record", "write_record"]

NAME = "sweep.json"
TRIALS = "trials"
ENDED = ("finished", "stopped", "failed")
"""States after which a trial is not run again."""
_STATES = ("waiting", *ENDED)
_SCHEMA = "zoo.sweep/1"
_LIMITS = Limits(size_bytes=2**28, values=5_000_000)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial.

    Attributes:
        name: Its folder in ``trials/``.
        options: Dotted key of the config -> value.
        state: ``waiting`` until it ends; then ``finished``, ``stopped`` (early, for worse values
            than those of others) or ``failed``.
        value: The best value of the metric; None without one.
        step: The step of that value.
        steps: Steps that were trained, as far as the log says.
        seconds: Time of all its starts that have ended by themselves.
        error: Why it failed.
    """

    name: str
    options: Mapping[str, Any]
    state: str = "waiting"
    value: float | None = None
    step: int | None = None
    steps: int = 0
    seconds: float = 0.0
    error: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is not run again."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """A sweep.

    Attributes:
        config: The config, as the user named it.
        config_sha256: Digest of the resolved config.
        data: The prepared folder, or None for what the config names.
        data_sha256: Digest of what is prepared in it, or of the prepared folders that the config
            names; None if there are none.
        train_words: Options of ``zoo train`` for every trial.
        space: Key -> rule -> values.
        seed: Draws the settings.
        asha: Whether worse trials are stopped early.
        metric: What the trials are ranked by; None until a trial has said it.
        direction: ``higher``, ``lower`` or ``zero``; None until a trial has said it.
        trials: All of them, by number.
    """

    config: str
    config_sha256: str
    data: str | None
    train_words: tuple[str, ...]
    space: Mapping[str, Any]
    seed: int
    asha: bool
    metric: str | None = None
    direction: str | None = None
    data_sha256: str | None = None
    trials: tuple[TrialRecord, ...] = field(default=())

    def with_trial(self, trial: TrialRecord) -> SweepRecord:
        """Return the record with a trial in place of the one of its name.

        Args:
            trial: The trial.
        """
        found = (trial if each.name == trial.name else each for each in self.trials)
        return replace(self, trials=tuple(found))

    def ranked(self) -> list[TrialRecord]:
        """Return the trials, best first; those without a value last, by number."""
        return sorted(self.trials, key=lambda trial: (trial.value is None, -self.score(trial)))

    def score(self, trial: TrialRecord) -> float:
        """Return a number that is higher for a better value; 0 without one.

        Args:
            trial: One of the trials.
        """
        return 0.0 if trial.value is None else score_of(trial.value, self.direction or "higher")

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the names of the trials in their order."""
        ranked = [trial.name for trial in self.ranked() if trial.value is not None]
        return {"schema": _SCHEMA, **asdict(self), "ranked": ranked}


def score_of(value: float, direction: str) -> float:
    """Return a number that is higher for a better value.

    Args:
        value: A value of a metric.
        direction: ``higher``, ``lower`` or ``zero`` (nearest to 0).
    """
    return {"higher": value, "lower": -value, "zero": -abs(value)}[direction]


def find_record(work_dir: Path) -> SweepRecord | None:
    """Return the sweep of a work dir, or None if there is none.

    Args:
        work_dir: The folder.

    Raises:
        DataError: The file is not what zoo writes.
    """
    path = work_dir / NAME
    if not path.is_file():
        return None
    try:
        document = read_json(path, _LIMITS)
        if not isinstance(document, dict) or document.pop("schema", None) != _SCHEMA:
            message = f"it is not of the schema {_SCHEMA}"
            raise DocumentError(message)
        document.pop("ranked", None)
        rows = document.pop("trials")
        trials = tuple(TrialRecord(**row) for row in rows)
        record = SweepRecord(**document, trials=trials)
        record = replace(record, train_words=tuple(record.train_words))
        _check(record)
    except (OSError, DocumentError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = (
            reason_of(error) if isinstance(error, (OSError, DocumentError)) else "it is damaged"
        )
        message = f"cannot read {NAME!r}: {reason}."
        hint = "give another --work-dir, and begin anew."
        raise DataError(message, path=path, hint=hint) from error
    return record


def _check(record: SweepRecord) -> None:
    """Refuse what becomes a path or a word of a command, and is not what it must be."""
    words = (record.config, record.config_sha256, *record.train_words)
    are_words = all(isinstance(word, str) for word in words)
    is_data = record.data is None or isinstance(record.data, str)
    are_trials = all(
        trial.name == name_of(number) and trial.state in _STATES and isinstance(trial.options, dict)
        for number, trial in enumerate(record.trials, 1)
    )
    if not (are_words and is_data and are_trials and isinstance(record.space, dict)):
        message = "it is damaged"
        raise DocumentError(message)


def name_of(number: int) -> str:
    """Return the name of a trial.

    Args:
        number: From 1 on.
    """
    return f"trial_{number:03}"


def write_record(work_dir: Path, record: SweepRecord) -> None:
    """Write the sweep whole, in place of what was there.

    Args:
        work_dir: The folder.
        record: The sweep.

    Raises:
        DataError: It cannot be written.
    """
    text = json.dumps(record.to_json(), indent=1, allow_nan=False)
    replace_file(work_dir / NAME, f"{text}\n".encode())
