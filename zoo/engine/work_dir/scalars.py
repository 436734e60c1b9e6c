# SPDX-License-Identifier: Apache-2.0
"""Read a run back from its work dir: its scalars, its best step and its config."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from zoo.documents import (
    DocumentError,
    Limits,
    parse_json,
    read_file,
    read_text,
    reason_of,
)
from zoo.engine.checkpoints.kept import find_best_checkpoint, find_checkpoint
from zoo.engine.metric_facts import NO_FACTS, MetricFacts
from zoo.engine.provenance.run_file import Provenance, read_provenance
from zoo.engine.work_dir.best_step import Best, best_of_curve, find_best_step
from zoo.engine.work_dir.dumped_evaluator import facts_of_config, read_values
from zoo.engine.work_dir.no_results import is_no_result
from zoo.engine.work_dir.tested import find_tests
from zoo.errors import DataError
from zoo.texts import printable

__all__ = ["Curve", "Run", "read_run"]

# Step -> value, in the order of the steps; NaN if the value was not finite.
Curve: TypeAlias = dict[int, float]

_LOG = Limits(size_bytes=2**29, values=20_000_000, is_finite=False)
_LINE = Limits(values=10_000, depth=8, is_finite=False)
_MOST_CURVES = 2_000  # a plot of more takes minutes and is unreadable
_CONFIG_BYTES = 2**24
_SAVE_BEST = re.compile(r"\bsave_best=(?P<quote>['\"])(?P<key>[^'\"\n]+)(?P=quote)")
_NO_LOG = "expected a scalars.json of mmengine."
_NOT_CURVES = frozenset({"epoch", "iter", "step", "time", "data_time", "memory", "eta"})


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its curves, its best step and its config.

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
        work_dir: The folder.
        config: The config that it ran with, as plain values: dicts, lists, texts, numbers, and None
            for what is none of these. Empty if the run has left none.
        validations: All validation values by their names in the log, in its order: ``metrics``,
            ``val_losses`` as ``val/...``, and those that were never a number.
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
    work_dir: Path = Path()
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance | None = None
    validations: Mapping[str, Curve] = field(default_factory=dict)

    def known_direction(self, value: str) -> str | None:
        """Return which value of a metric is best, if a manifest or the config's rule states it.

        Args:
            value: Name of the value, as in the log.
        """
        return self.facts.known_direction(value)

    def direction(self, value: str) -> str:
        """Return which value of a metric is best: higher, lower, zero (nearest to 0) or none.

        Args:
            value: Name of the value, as in the log.
        """
        return self.facts.direction(value)

    def unit(self, value: str) -> str | None:
        """Return the unit that a metric's manifest states, or None.

        Args:
            value: Name of the value, as in the log.
        """
        return self.facts.unit(value)

    def best_step(self, value: str, curve: Mapping[int, float]) -> int | None:
        """Return the first step with the best value, or None if there is none.

        Args:
            value: Name of the value, as in the log.
            curve: Step -> value.
        """
        return best_of_curve(self.direction(value), curve)

    def tests(self) -> list[Path]:
        """Return the files of ``zoo test --out`` in the work dir; `zoo.read_test` reads them."""
        return find_tests(self.work_dir)

    def checkpoint(self) -> Path | None:
        """Return what `zoo test` of the work dir measures now: the best checkpoint, else the last.

        It is not read; None if there is none.
        """
        return find_best_checkpoint(self.work_dir) or find_checkpoint(self.work_dir)

    def data_root(self, *splits: str) -> Path | None:
        """Return the data folder of the first of some splits for which the config names one.

        Args:
            splits: ``train``, ``val`` and ``test``, in the order that is wanted.

        Returns:
            The folder as it is written, which may have moved, for example a prepared one that
            `zoo.data.read_prepared` reads; None if there is none. Of several data sets, the first
            one's.
        """
        roots = (_find_root(self.config.get(f"{split}_dataloader")) for split in splits)
        return next((Path(root) for root in roots if root), None)

    def images_seen(
        self, digests: Collection[str], splits: Collection[str] = ("train",)
    ) -> frozenset[str] | None:
        """Return those images that the weights of `checkpoint` have seen, now or in earlier data.

        Args:
            digests: The sha256 of images or of their sources, as rows of ``dataset.json`` state
                them, 64 hex digits each.
            splits: ``train`` for what it was trained on, ``val`` for what chose the best one.

        Returns:
            A part of ``digests``; None if the run has no checkpoint, or if it does not say what
            it was trained on, as that of data that was not prepared.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        from zoo.engine.checkpoints.checkpoint import load_checkpoint
        from zoo.engine.dataset.history import images_seen

        found = self.checkpoint()
        return None if found is None else images_seen(load_checkpoint(found).meta, digests, splits)

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


def read_run(work_dir: str | os.PathLike[str]) -> Run:
    """Return the run that a work dir holds; several starts in it are joined.

    Each start writes its own folder, named by its time. A resumed run continues at the step it
    was resumed from: what an earlier run wrote from there on is dropped. Validation steps that
    mmengine counts in epochs are converted to the iterations at which those epochs ended.

    Args:
        work_dir: A run's work dir, or one of its time-stamped folders.

    Raises:
        DataError: The log is missing, empty, or not a log; or ``run.json`` is damaged.
    """
    work_dir = Path(work_dir)
    records, last = _joined(work_dir)
    # The checkpoints of a time-stamped folder are beside it.
    kept = find_best_checkpoint(work_dir) or find_best_checkpoint(last.resolve().parents[2])
    config = _config_text(last.parent / "config.py")
    values = read_values(config)
    facts = facts_of_config(values)
    run = _sorted_out(printable(work_dir.resolve().name), records, kept, facts)
    made_by = read_provenance(work_dir) or read_provenance(last.resolve().parents[2])
    run = replace(run, work_dir=work_dir, config=values, provenance=made_by)
    found = _SAVE_BEST.search(config)
    named = found["key"] if found else None
    if named in run.metrics or (named or "").removeprefix("val/") in run.val_losses:
        # The metric that the run was to be judged by, if it kept no checkpoint for it.
        is_kept = run.best is not None and run.best.is_kept
        return run if is_kept else replace(run, lead=named)
    return run


def _joined(work_dir: Path) -> tuple[list[dict[str, Any]], Path]:
    """Return the records of all starts of a run, and the log of the last one."""
    files: list[Path] = []
    if os.path.isdir(work_dir):  # also False for names that no folder can have
        files = sorted(work_dir.glob("vis_data/scalars.json"))
        files = files or sorted(work_dir.glob("*/vis_data/scalars.json"))
    hint = "give the work dir of a run that has started training."
    head = f"cannot read the run {str(work_dir)!r}"
    if not files:
        message = f"{head}: found no vis_data/scalars.json in it."
        raise DataError(message, path=work_dir, hint=hint)
    records: list[dict[str, Any]] = []
    for file in files:
        records = _continued(records, _records(file))
    if not records:
        message = f"{head}: its log is empty, no step was written yet."
        raise DataError(message, path=files[-1], hint=hint)
    names = {name for record in records for name in record}
    if len(names) > _MOST_CURVES:
        message = f"{head}: its log has {len(names):,} names, expected at most {_MOST_CURVES:,}."
        raise DataError(message, path=files[-1], hint=hint)
    return records, files[-1]


def _continued(earlier: list[dict[str, Any]], later: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a run with those of its next start, which replace what it repeats."""
    is_trained = [_is_training(record) for record in later]
    # A resumed run may begin with a validation, after a step that an earlier start has logged.
    count = is_trained.index(True) if True in is_trained else len(later)
    for record in later[:count]:
        steps = [old["step"] for old in earlier if _ends_epoch(old, record["step"])]
        if steps:
            record |= {"step": max(steps), "epoch": record["step"]}
        at = record["step"]
        earlier = [
            old for old in earlier if old["step"] < at + (_is_training(old) and old["step"] == at)
        ]
        earlier.append(record)
    first = min((record["step"] for record in later[count:]), default=math.inf)
    return [record for record in earlier if record["step"] < first] + later[count:]


def _ends_epoch(record: Mapping[str, Any], epoch: int) -> bool:
    """Return whether a record is of training in an epoch; its log counts epochs then."""
    return _is_training(record) and record.get("epoch") == epoch


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
        elif trained and record["step"] == 0:
            # mmengine counts a validation in epochs by default, and a loop by steps has none.
            record["step"] = trained["step"]
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
) -> Run:
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
    facts = facts.with_first(next(iter(measured), ""))
    present = {key: curve for key, curve in measured.items() if not _is_absent(curve)}
    best = find_best_step(kept, present, epochs, facts)
    parts = {key: curve for key, curve in present.items() if _is_loss(key)}
    metrics = {key: curve for key, curve in present.items() if key not in parts}
    val_losses = {key.removeprefix("val/"): curve for key, curve in parts.items()}
    steps = (epochs, best, best.key if best is not None else None, _epoch_steps(records))
    return Run(name, losses, val_losses, metrics, rates, *steps, facts, validations=measured)


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


def _find_root(value: Any) -> str | None:
    """Return the first ``data_root`` of a loader, within wrappers of data sets too."""
    for _ in range(8):
        if not isinstance(value, Mapping):
            return None
        if isinstance(value.get("data_root"), str) and value["data_root"]:
            return str(value["data_root"])
        inner = value.get("dataset") or value.get("datasets")
        value = inner[0] if isinstance(inner, Sequence) and inner else inner
    return None
