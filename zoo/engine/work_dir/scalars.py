# SPDX-License-Identifier: Apache-2.0
"""Read the scalars of a work dir and the per-image values of a test."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from zoo.documents import (
    DocumentError,
    Limits,
    parse_json,
    read_file,
    read_json,
    read_text,
    reason_of,
)
from zoo.engine.checkpoints.kept import find_best_checkpoint
from zoo.engine.metric_facts import NO_FACTS, MetricFacts, guess_direction, types_in
from zoo.engine.work_dir.best_step import Best, find_best_step
from zoo.engine.work_dir.dumped_evaluator import facts_of_config
from zoo.engine.work_dir.no_results import is_no_result
from zoo.errors import DataError
from zoo.texts import printable, shown

__all__ = ["Curve", "PerImage", "RunLog", "read_per_image", "read_run_log"]

# Step -> value, in the order of the steps; NaN if the value was not finite.
Curve: TypeAlias = dict[int, float]

_LOG = Limits(size_bytes=2**29, values=20_000_000, is_finite=False)
_LINE = Limits(values=10_000, depth=8, is_finite=False)
_MOST_CURVES, _MOST_STRIPS = 2_000, 100  # a plot of more takes minutes and is unreadable
_CONFIG_BYTES = 2**24
_SAVE_BEST = re.compile(r"\bsave_best=(?P<quote>['\"])(?P<key>[^'\"\n]+)(?P=quote)")
_NO_LOG = "expected a scalars.json of mmengine."
_NOT_CURVES = frozenset({"epoch", "iter", "step", "time", "data_time", "memory", "eta"})


@dataclass(frozen=True, slots=True)
class RunLog:
    """The curves of one run.

    Args:
        name: The work dir's name.
        losses: Training losses by name; ``loss`` is their weighted sum.
        val_losses: Losses on validation images, ``val/...`` in the log, by their training names.
        metrics: Other validation values by name.
        rates: Learning rates by name.
        epochs: Step -> epoch of the validations that the log counts in epochs.
        best: The step whose checkpoint was kept as the best one, else that of the first metric.
        lead: The metric that chooses the best checkpoint: that of the kept one, else the config's,
            else the first of the log; None if nothing was measured.
        epoch_steps: Iterations of an epoch, or None if the log does not count epochs.
        facts: What the values of its metrics mean.
    """

    name: str
    losses: Mapping[str, Curve]
    val_losses: Mapping[str, Curve]
    metrics: Mapping[str, Curve]
    rates: Mapping[str, Curve]
    epochs: Mapping[int, int]
    best: Best | None
    lead: str | None = None
    epoch_steps: int | None = None
    facts: MetricFacts = NO_FACTS

    def at(self, step: int) -> str:
        """Return the name of a step: its epoch if validation counts in epochs.

        Args:
            step: In iterations.
        """
        return f"epoch {self.epochs[step]}" if step in self.epochs else f"{step}"

    def epoch_of(self, step: int, *, is_validation: bool) -> float:
        """Return a step in epochs, fractions included.

        Args:
            step: In iterations, of a run that counts epochs.
            is_validation: Whether validation ran there, at an epoch's end: a log has it at the
                last logged training step.
        """
        if is_validation and step in self.epochs:
            return float(self.epochs[step])
        return step / (self.epoch_steps or 1)


@dataclass(frozen=True, slots=True)
class PerImage:
    """The per-image values that ``zoo test --out`` wrote.

    Args:
        name: The file's stem.
        values: Value name -> image file -> value; values that are not finite are left out.
        facts: What the values mean.
    """

    name: str
    values: Mapping[str, Mapping[str, float]]
    facts: MetricFacts = NO_FACTS

    def direction(self, value: str) -> str:
        """Return which value is best: higher, lower, zero or none.

        Of a count for which no manifest states it, none is: more objects are no better.

        Args:
            value: Name of the value.
        """
        guessed = guess_direction(value)
        is_count = "count" in value.lower() and guessed != "lower"
        return self.facts.stated_direction(value) or ("none" if is_count else guessed)


def read_run_log(work_dir: Path) -> RunLog:
    """Return the curves of a work dir, several runs in it joined.

    Each start writes its own folder, named by its time. A resumed run continues at the step it
    was resumed from: what an earlier run wrote from there on is dropped. Validation steps that
    mmengine counts in epochs are converted to the iterations at which those epochs ended.

    Args:
        work_dir: A run's work dir, or one of its time-stamped folders.

    Raises:
        DataError: The log is missing, empty, or not a log.
    """
    files = sorted(work_dir.glob("vis_data/scalars.json"))
    files = files or sorted(work_dir.glob("*/vis_data/scalars.json"))
    hint = "give the work dir of a run that has started training."
    if not files:
        message = f"cannot plot {str(work_dir)!r}: found no vis_data/scalars.json in it."
        raise DataError(message, path=work_dir, hint=hint)
    records: list[dict[str, Any]] = []
    for file in files:
        later = _records(file)
        if later:
            first = min(record["step"] for record in later)
            records = [record for record in records if record["step"] < first] + later
    if not records:
        message = f"cannot plot {str(work_dir)!r}: its log is empty, no step was written yet."
        raise DataError(message, path=files[-1], hint=hint)
    names = {name for record in records for name in record}
    if len(names) > _MOST_CURVES:
        message = f"cannot plot {str(work_dir)!r}: its log has {len(names):,} names, expected at "
        message += f"most {_MOST_CURVES:,}."
        raise DataError(message, path=files[-1], hint=hint)
    # The checkpoints of a time-stamped folder are beside it.
    kept = find_best_checkpoint(work_dir) or find_best_checkpoint(files[-1].resolve().parents[2])
    config = _config_text(files[-1].parent / "config.py")
    facts = facts_of_config(config)
    run = _sorted_out(printable(work_dir.resolve().name), records, kept, facts)
    found = _SAVE_BEST.search(config)
    named = found["key"] if found else None
    if named in run.metrics or (named or "").removeprefix("val/") in run.val_losses:
        # The metric that the run was to be judged by, if it kept no checkpoint for it.
        is_kept = run.best is not None and run.best.is_kept
        return run if is_kept else replace(run, lead=named)
    return run


def _config_text(config: Path) -> str:
    """Return the config that mmengine wrote, empty if it cannot be read."""
    try:
        return read_text(read_file(config, _CONFIG_BYTES))
    except (OSError, DocumentError):
        return ""


def _records(path: Path) -> list[dict[str, Any]]:
    """Return a log's records, their ``step`` in iterations."""
    records: list[dict[str, Any]] = []
    lines = [line for line in _text(path).split("\n") if line.strip()]
    trained: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = parse_json(line.encode(), _LINE)
        except DocumentError as error:
            if number == len(lines):
                break  # the run was killed while writing
            reason = reason_of(error).removeprefix("it ")
            message = f"cannot read a log: line {number} {reason}."
            raise DataError(message, path=path, hint=_NO_LOG) from error
        if not isinstance(record, dict) or not _is_count(record.get("step")):
            message = f"cannot read a log: line {number} has no 'step'."
            raise DataError(message, path=path, hint=_NO_LOG)
        if _is_training(record):
            trained = record
        elif trained and record["step"] == trained.get("epoch"):
            record |= {"step": trained["step"], "epoch": record["step"]}
        records.append(record)
    return records


def _text(path: Path) -> str:
    try:
        return read_text(read_file(path, _LOG.size_bytes))
    except (OSError, DocumentError) as error:
        message = f"cannot read a log: {reason_of(error)}."
        raise DataError(message, path=path, hint=_NO_LOG) from error


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_training(record: Mapping[str, Any]) -> bool:
    return any(key == "lr" or key.endswith("/lr") or key == "loss" for key in record)


def _sorted_out(
    name: str, records: Sequence[Mapping[str, Any]], kept: Path | None, facts: MetricFacts
) -> RunLog:
    losses: dict[str, Curve] = {}
    measured: dict[str, Curve] = {}
    rates: dict[str, Curve] = {}
    epochs: dict[int, int] = {}
    for record in records:
        is_training = _is_training(record)
        if not is_training and _is_count(record.get("epoch")):
            epochs[record["step"]] = record["epoch"]
        for name_, value in record.items():
            key = printable(name_)
            if key in _NOT_CURVES or isinstance(value, bool) or not _is_number(value):
                continue
            if not is_training:
                curves = measured
            elif "lr" in key.replace("/", "_").split("_"):
                curves = rates
            elif "loss" in key:
                curves = losses
            else:
                continue
            number = math.nan if value is None else float(value)
            curve = curves.setdefault(key, {})
            curve[record["step"]] = math.nan if is_no_result(key, number) else number
    if rates.get("lr") == rates.get("base_lr"):
        rates.pop("base_lr", None)
    measured = {key: curve for key, curve in measured.items() if not _is_absent(curve)}
    best = find_best_step(kept, measured, epochs, facts)
    parts = {key: curve for key, curve in measured.items() if _is_loss(key)}
    metrics = {key: curve for key, curve in measured.items() if key not in parts}
    val_losses = {key.removeprefix("val/"): curve for key, curve in parts.items()}
    lead = best.key if best is not None else None
    steps = (epochs, best, lead, _epoch_steps(records))
    return RunLog(name, losses, val_losses, metrics, rates, *steps, facts)


def _epoch_steps(records: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the number of iterations in an epoch, or None if training is not counted in epochs.

    Logs may skip the last steps of an epoch, so the largest logged value comes nearest.
    """
    trained = [record for record in records if _is_training(record)]
    counted = [record for record in trained if _is_count(record.get("epoch")) and record["epoch"]]
    if not counted or len(counted) < len(trained):
        return None
    return max(math.ceil(record["step"] / record["epoch"]) for record in counted) or None


def _is_loss(key: str) -> bool:
    return key.startswith("val/") and "loss" in key


def _is_absent(curve: Curve) -> bool:
    """Return whether nothing was ever measured, as with COCO's metrics of absent objects."""
    return all(math.isnan(value) for value in curve.values())


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (int, float))


def read_per_image(path: Path) -> PerImage:
    """Return the per-image values of a file that ``zoo test --out`` wrote.

    Args:
        path: A JSON file.

    Raises:
        DataError: It is not such a file, or has no per-image values.
    """
    try:
        document = read_json(path, _LOG)
    except (OSError, DocumentError) as error:
        message = f"cannot read {path.name!r}: {reason_of(error)}."
        hint = "give a work dir, or a file written by `zoo test --out`."
        raise DataError(message, path=path, hint=hint) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != "zoo.test/1":
        message = f"cannot plot {path.name!r}: its schema is {shown(schema)}, expected "
        message += "'zoo.test/1'."
        hint = "give a work dir, or a file written by `zoo test --out`."
        raise DataError(message, path=path, hint=hint)
    try:
        values = _per_image(document.get("per_image") or ())
    except (AttributeError, TypeError) as error:
        message = (
            f"cannot plot {path.name!r}: its per-image values are not a list of files and values."
        )
        hint = "give a file written by `zoo test --out`."
        raise DataError(message, path=path, hint=hint) from error
    if not values:
        message = f"cannot plot {path.name!r}: it holds no per-image values."
        hint = "only metrics with per-image values keep them; plot its work dir instead."
        raise DataError(message, path=path, hint=hint)
    if len(values) > _MOST_STRIPS:
        message = (
            f"cannot plot {path.name!r}: it holds values of {len(values):,} names, expected at "
        )
        message += f"most {_MOST_STRIPS}."
        raise DataError(message, path=path, hint="plot its work dir instead.")
    types = types_in(str(document.get("evaluator", "")))
    return PerImage(printable(path.stem), values, MetricFacts.of_types(types))


def _per_image(rows: Iterable[Any]) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for index, image in enumerate(rows):
        for key, value in (image.get("values") or {}).items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                file = printable(str(image.get("file", index)))
                values.setdefault(printable(key), {})[file] = float(value)
    return values
