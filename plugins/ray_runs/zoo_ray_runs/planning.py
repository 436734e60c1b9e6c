# SPDX-License-Identifier: Apache-2.0
"""What a sweep consists of, before it runs: begun from a config and a space, or resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.data import read_prepared
from zoo.documents import Limits, parse_json
from zoo.errors import ConfigError, DataError
from zoo_ray_runs.commands import show_config
from zoo_ray_runs.curve import ranked_by, watched_value
from zoo_ray_runs.record import NAME, SweepRecord, TrialRecord, name_of
from zoo_ray_runs.space import Space, check_space, parse_space, read_space

__all__ = ["Request", "begin", "resumed"]

DEFAULT_TRIALS = 8
_CONFIG = Limits(size_bytes=2**26, values=2_000_000, is_finite=False)
_WORDS = {"train_words": "set of options after --", "space": "space"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks for; without a value, a sweep that is resumed keeps its own.

    Attributes:
        work_dir: Where everything goes.
        config: The config.
        space: File of the space.
        data: A prepared folder, or None for what the config names.
        trials: How many, or None for as many as suit the space.
        metric: What they are ranked by, or None for what chooses a run's best checkpoint.
        direction: ``higher`` or ``lower``, whichever of its values is better; None for what its
            manifest or the config states.
        train_words: Options of ``zoo train`` for each trial.
        seed: Draws the settings.
        asha: Whether worse trials are stopped early.
        cpus: CPUs of one trial, or None: one, or an equal share for each GPU.
        gpus: GPUs of one trial, or None: one if there is any.
        resume: Whether to go on with the sweep of the work dir.
        retry_failed: Whether trials that failed are run again.
    """

    work_dir: Path
    config: str | None = None
    space: Path | None = None
    data: Path | None = None
    trials: int | None = None
    metric: str | None = None
    direction: str | None = None
    train_words: tuple[str, ...] = ()
    seed: int = 0
    asha: bool = False
    cpus: int | None = None
    gpus: float | None = None
    resume: bool = False
    retry_failed: bool = False


def begin(request: Request) -> SweepRecord:
    """Return a new sweep.

    Args:
        request: What the user asks for.

    Raises:
        ConfigError: Config or space cannot be read, or do not fit each other.
        DataError: The data cannot be read.
    """
    if request.config is None or request.space is None:
        missing = "CONFIG" if request.config is None else "--space"
        message = f"cannot begin a sweep: {missing} is missing."
        hint = "zoo sweep CONFIG --space FILE --work-dir DIR"
        raise ConfigError(message, where=request.work_dir, hint=hint)
    space = read_space(request.space)
    shown = show_config(request.config)
    config = _parsed(shown)
    check_space(space, config, request.space)
    data = None if request.data is None else read_prepared(request.data).root.absolute()
    record = SweepRecord(
        config=request.config,
        config_sha256=_digest(shown),
        data=None if data is None else str(data),
        data_sha256=_digest_of_data(data, config),
        train_words=request.train_words,
        space=space.to_json(),
        seed=request.seed,
        asha=request.asha,
        metric=request.metric or _watched(config, request.train_words),
        direction=request.direction,
    )
    return replace(record, trials=_draw(space, request, request.space))


def _watched(config: Mapping[str, Any], train_words: tuple[str, ...]) -> str | None:
    """Return what chooses the best checkpoint of every trial, or None if only a run can say it."""
    if any("save_best" in word for word in train_words):
        return None
    return watched_value(config)


def _draw(space: Space, request: Request, path: Path) -> tuple[TrialRecord, ...]:
    """Return the trials, or refuse a number that the space does not allow."""
    most, least = space.count, space.grid_count
    only_grid = all(axis.rule == "grid" for axis in space.axes)
    usual = least if only_grid else max(DEFAULT_TRIALS, least)
    count = request.trials or (usual if most is None else min(usual, most))
    if count < least or (most is not None and count > most):
        wanted = f"at least {least}" if count < least else f"at most {most}"
        why = "one for each combination of the grids" if count < least else "all that differ"
        message = f"cannot sweep with {count} trials: expected {wanted}, {why}."
        raise ConfigError(message, where=path, hint="give another --trials, or change the space.")
    settings = space.draw(count, request.seed)
    return tuple(
        TrialRecord(name_of(number), options) for number, options in enumerate(settings, 1)
    )


def resumed(record: SweepRecord, request: Request) -> tuple[SweepRecord, bool]:
    """Return the sweep to go on with, and whether all its trials begin anew.

    Config, options and data may only be others as long as no trial has ended well, and with
    ``--retry-failed``: then they are what was corrected.

    Args:
        record: The sweep of the work dir.
        request: What the user asks for.

    Raises:
        ConfigError: The config cannot be read, or the space does not fit a corrected one.
        DataError: It is another sweep, or no trial has measured what it is to be ranked by.
    """
    shown = show_config(request.config or record.config)
    asked = _asked(record, request, shown)
    unknown = {"data_sha256"} if record.data_sha256 is None else set()
    differs = [name for name in asked.keys() - unknown if getattr(record, name) != asked[name]]
    if request.space is not None and read_space(request.space).to_json() != record.space:
        differs.append("space")
    is_anew = bool(differs)
    if is_anew:
        _check_corrected(record, request, differs)
        check_space(
            parse_space(record.space, request.work_dir), _parsed(shown), request.work_dir / NAME
        )
        asked["metric"] = record.metric or _watched(_parsed(shown), asked["train_words"])
    if request.data is not None:
        asked["data"] = str(request.data.absolute())  # perhaps it was moved
    record = replace(record, **asked)
    for trial in record.trials:
        if is_anew or (request.retry_failed and trial.state == "failed"):
            record = record.with_trial(TrialRecord(trial.name, trial.options))
    if request.metric or request.direction:
        record = ranked_by(request.work_dir, record, request.metric, request.direction)
    if request.trials is not None and request.trials > len(record.trials):
        space = parse_space(record.space, request.work_dir)
        again = replace(request, seed=record.seed)
        more = _draw(space, again, request.work_dir)[len(record.trials) :]
        record = replace(record, trials=(*record.trials, *more))
    return record, is_anew


def _asked(record: SweepRecord, request: Request, shown: str) -> dict[str, Any]:
    """Return what a sweep is made of, as it is now; without what nobody says."""
    asked: dict[str, Any] = {"config": request.config or record.config}
    asked["config_sha256"] = _digest(shown)
    asked["train_words"] = request.train_words or record.train_words
    # What has ended can be ranked without its data.
    has_ended = all(trial.has_ended for trial in record.trials)
    if request.data is not None or request.trials or request.retry_failed or not has_ended:
        data = request.data or (None if record.data is None else Path(record.data))
        asked["data_sha256"] = _digest_of_data(data, _parsed(shown))
    if request.data is not None and asked["data_sha256"] != record.data_sha256:
        asked["data"] = str(request.data.absolute())
    return asked


def _check_corrected(record: SweepRecord, request: Request, differs: list[str]) -> None:
    """Refuse another sweep; accept one that was corrected before any trial has ended well."""
    is_free = all(trial.state in ("waiting", "failed") for trial in record.trials)
    is_free = is_free and "space" not in differs
    if is_free and request.retry_failed:
        return
    of_config = {"config", "config_sha256"}.intersection(differs)
    words = ["resolved config" if of_config == {"config_sha256"} else "config"] if of_config else []
    words += ["data"] if {"data", "data_sha256"}.intersection(differs) else []
    words += [_WORDS[name] for name in ("train_words", "space") if name in differs]
    names = " and another ".join(words)
    message = f"cannot continue the sweep: found one with another {names}."
    if is_free:
        hint = "add --retry-failed to begin its trials anew, or give another --work-dir."
    elif words == ["resolved config"]:
        hint = "undo what was changed in the config, or give another --work-dir."
    elif words == ["data"]:
        hint = "give the data that it was begun with as --data, or give another --work-dir."
    else:
        hint = "repeat the command that began it with --resume, or give another --work-dir."
    raise DataError(message, path=request.work_dir, hint=hint)


def _parsed(shown: str) -> dict[str, Any]:
    config: dict[str, Any] = parse_json(shown.encode(), _CONFIG)
    return config


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of_data(folder: Path | None, config: Mapping[str, Any]) -> str | None:
    """Return the digest of a prepared folder, or of those that a config names; None for others."""
    if folder is not None:
        return read_prepared(folder).digest
    digests = []
    for root in sorted({root for root in _roots(config) if root}):
        try:
            digests.append(read_prepared(Path(root)).digest)
        except DataError:  # not of zoo
            continue
    return _digest(" ".join(digests)) if digests else None


def _roots(values: Any) -> Iterator[str]:
    """Yield every ``data_root`` of a config."""
    if isinstance(values, dict):
        root = values.get("data_root")
        yield from [root] if isinstance(root, str) else []
    inner = values.values() if isinstance(values, dict) else values
    for value in inner if isinstance(values, (dict, list)) else ():
        yield from _roots(value)
