# SPDX-License-Identifier: Apache-2.0
"""The numbers that may be published of a checkpoint: those that a run or a test wrote down."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.data_facts import evaluator_text
from zoo.engine.run_logs import read_run_log
from zoo.engine.test import SCHEMA
from zoo.errors import CheckpointError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config

    from zoo.engine.checkpoints import Checkpoint

__all__ = ["find_test_files", "read_test_rows", "validation_rows"]

_HINT = "measure this one: zoo test CONFIG CHECKPOINT --out FILE.json."


def find_test_files(work_dir: Path, sha256: str) -> list[Path]:
    """Return what ``zoo test --out`` wrote into a work dir of the checkpoint with this digest."""
    found = []
    for path in sorted(work_dir.glob("*.json")):
        try:
            document = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):  # another's JSON
            continue
        keys = ("schema", "checkpoint_sha256")
        if isinstance(document, dict) and [document.get(key) for key in keys] == [SCHEMA, sha256]:
            found.append(path)
    return found


def read_test_rows(path: Path, sha256: str) -> list[dict[str, Any]]:
    """Return the metric rows of what ``zoo test --out`` wrote.

    Args:
        path: The JSON.
        sha256: Of the checkpoint that is published: a number of another one is refused.

    Returns:
        Rows of name, value, dataset, split, labels, protocol; values that are not finite are
        left out.

    Raises:
        CheckpointError: It is no such file, is of another checkpoint, or holds no number.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _unreadable(path, f"its schema is not {SCHEMA!r}")
    measured = document.get("checkpoint_sha256")
    if measured != sha256:
        msg = f"cannot publish the metrics in {path.name!r}: they are of the checkpoint "
        msg += f"{document.get('checkpoint')!r} with sha256 {measured}, expected {sha256}."
        raise CheckpointError(msg, path=path, hint=_HINT)
    data = document.get("data")
    metrics = document.get("metrics")
    evaluator = document.get("evaluator")
    is_named = isinstance(data, dict) and isinstance(data.get("name"), str)
    if not (is_named and isinstance(metrics, dict) and isinstance(evaluator, str)):
        raise _unreadable(path, "it does not say its data and metrics")
    rows = _rows(metrics, dict(data or {}), str(document.get("split")), f"zoo test, {evaluator}")
    if not rows:
        raise _unreadable(path, "it holds no finite number")
    return rows


def validation_rows(
    work_dir: Path, checkpoint: Checkpoint, config: Config, data: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of the validation at the step that a checkpoint was written, if any."""
    step = checkpoint.meta.get("iter")
    try:
        curves = read_run_log(work_dir).metrics
    except DataError:  # a checkpoint that was moved away from its log
        return []
    metrics = {name: curve[step] for name, curve in curves.items() if step in curve}
    protocol = f"validation while training, {evaluator_text(config.get('val_evaluator'))}"
    return _rows(metrics, data, "val", protocol)


def _rows(
    metrics: Mapping[str, Any], data: Mapping[str, Any], split: str, protocol: str
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": float(value),
            "dataset": str(data["name"]),
            "split": split,
            "labels": str(data.get("labels", "true")),
            "protocol": protocol,
        }
        for name, value in sorted(metrics.items())
        if isinstance(value, (int, float)) and math.isfinite(value) and name not in _NOT_METRICS
    ]


_NOT_METRICS = frozenset({"data_time", "time"})


def _unreadable(path: Path, reason: str) -> CheckpointError:
    msg = f"cannot publish the metrics in {path.name!r}: {reason}, expected zoo test's JSON."
    return CheckpointError(msg, path=path, hint=_HINT)
