# SPDX-License-Identifier: Apache-2.0
"""``fit/fit.json`` in a work dir: what a fit was asked for, and how far it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.data import replace_file
from zoo.documents import DocumentError, Limits, read_json
from zoo.errors import TrainingError

__all__ = ["FOLDER", "FitRecord", "find_record", "write_record"]

FOLDER = "fit"
"""Below the work dir: the record, the fingerprint, the plan, the probe."""
_SCHEMA = "zoo.fit/1"
_STATES = ("planned", "trained", "tested")
_LIMITS = Limits(size_bytes=100_000, values=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecord:
    """A fit.

    Attributes:
        data: The prepared folder.
        source: What the user gave: that folder, or raw data.
        digest: Digest of the prepared data.
        budget_s: The time for everything.
        used_s: Of it, what was used when the state was written.
        split: The split to test on; empty without one.
        planner: Name of the planner; empty for ours of the task.
        track: Trackers of the training, as `zoo train --track` takes them.
        state: How far it is: ``planned``, ``trained`` or ``tested``.
    """

    data: str
    source: str
    digest: str
    budget_s: float
    used_s: float
    split: str
    planner: str = ""
    track: tuple[str, ...] = ()
    state: str = "planned"


def write_record(work_dir: Path, record: FitRecord) -> None:
    """Write the record, whole or not at all.

    Args:
        work_dir: Of the fit.
        record: What to write.
    """
    text = json.dumps({"schema": _SCHEMA, **asdict(record)}, indent=2)
    replace_file(work_dir / FOLDER / "fit.json", f"{text}\n".encode())


def find_record(work_dir: Path) -> FitRecord | None:
    """Return the record of a work dir; None if no fit began there.

    Args:
        work_dir: Any folder.

    Raises:
        TrainingError: The record is damaged, or of a newer zoo.
    """
    path = work_dir / FOLDER / "fit.json"
    try:
        content = read_json(path, _LIMITS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, DocumentError) as error:
        raise _damaged(path) from error
    record = _parse(content)
    if record is None:
        raise _damaged(path)
    return record


def _parse(content: Any) -> FitRecord | None:
    if not isinstance(content, dict) or content.pop("schema", None) != _SCHEMA:
        return None
    if set(content) != set(FitRecord.__annotations__) or content["state"] not in _STATES:
        return None
    track = content["track"]
    if not isinstance(track, list) or not all(isinstance(word, str) for word in track):
        return None
    numbers = ("budget_s", "used_s")
    if not all(type(content[name]) in (int, float) for name in numbers):
        return None
    if not all(isinstance(v, str) for k, v in content.items() if k not in (*numbers, "track")):
        return None
    return FitRecord(**{**content, "track": tuple(track)})


def _damaged(path: Path) -> TrainingError:
    message = f"cannot continue the fit: {path.name} cannot be read as the record of one."
    return TrainingError(message, where=path, hint="start again with another --work-dir.")
