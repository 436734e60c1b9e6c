# SPDX-License-Identifier: Apache-2.0
"""``run.json``: the sessions of a run, its steps and its metrics, read and written whole."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.engine.provenance.session import Session, read_seconds, read_session
from zoo.errors import DataError
from zoo.fields import Fields
from zoo.files import open_whole
from zoo.texts import printable, shown

__all__ = ["NAME", "Dropped", "Measured", "Provenance", "read_provenance", "write_provenance"]

NAME = "run.json"
_SCHEMA = "zoo.run/1"
_LIMITS = Limits(size_bytes=2**25, values=2_000_000)
_FIRST, _LAST = 5, 20  # sessions that are kept
_HINT = "remove the file: the run can be read, resumed and published without it."


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics of one validation.

    Attributes:
        step: The step, in iterations.
        values: Metric -> value; None if it had no result.
    """

    step: int
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Sessions that are no longer told of: those in the middle of very many.

    Attributes:
        sessions: How many.
        seconds: Their duration.
    """

    sessions: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run came from.

    Attributes:
        sessions: Its starts, the first one first; at least one.
        best: Metrics of the step that it kept as the best, or None.
        last: Metrics of its last validation, or None.
        dropped: Starts that are left out of ``sessions``, after the first few.
    """

    sessions: Sequence[Session]
    best: Measured | None = None
    last: Measured | None = None
    dropped: Dropped = Dropped()

    @property
    def latest(self) -> Session:
        """Return the last session."""
        return self.sessions[-1]

    @property
    def steps(self) -> int | None:
        """Return the steps that were done at the end; of a run without an end, as far as known."""
        return self.latest.last_step

    @property
    def seconds(self) -> float:
        """Return the duration of all sessions; of one without an end, as far as known."""
        return self.dropped.seconds + sum(each.seconds or 0.0 for each in self.sessions)

    def bounded(self) -> Provenance:
        """Return it with the first and the last sessions only, if there are very many."""
        middle = self.sessions[_FIRST:-_LAST]
        if not middle:
            return self
        dropped = Dropped(
            self.dropped.sessions + len(middle),
            self.dropped.seconds + sum(each.seconds or 0.0 for each in middle),
        )
        kept = (*self.sessions[:_FIRST], *self.sessions[-_LAST:])
        return replace(self, sessions=kept, dropped=dropped)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as ``run.json`` holds them."""
        metrics = {"best": _measured_json(self.best), "last": _measured_json(self.last)}
        return {
            "schema": _SCHEMA,
            "started": self.sessions[0].started,
            "ended": self.latest.ended,
            "outcome": self.latest.outcome,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "metrics": metrics,
            "sessions": [each.to_json() for each in self.sessions],
            "dropped": {**asdict(self.dropped), "seconds": round(self.dropped.seconds, 3)},
        }


def read_provenance(work_dir: Path) -> Provenance | None:
    """Return what ``run.json`` of a work dir says, or None without such a file.

    Args:
        work_dir: A run's folder.

    Raises:
        DataError: It is there, and is not such a file.
    """
    path = work_dir / NAME
    if not os.path.lexists(path):
        return None
    try:
        return _read(Fields(read_json(path, _LIMITS)))
    except (OSError, DocumentError) as error:
        message = f"cannot read {NAME!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint=_HINT) from error


def write_provenance(work_dir: Path, provenance: Provenance) -> None:
    """Write ``run.json`` whole and to the disk, in place of the one before.

    Args:
        work_dir: A run's folder.
        provenance: Its content.

    Raises:
        OSError: It cannot be written; the one before is left as it was.
    """
    path = work_dir / NAME
    text = json.dumps(provenance.bounded().to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    with open_whole(path, path.with_name(f".{NAME}.part")) as stream:
        stream.write(f"{text}\n".encode("utf-8", "backslashreplace"))


def _read(fields: Fields) -> Provenance:
    schema = fields.values.get("schema")
    if schema != _SCHEMA:
        message = f"its schema is {shown(schema)}, expected {_SCHEMA!r}"
        raise DocumentError(message)
    sessions = tuple(read_session(row) for row in fields.rows("sessions"))
    if not sessions:
        fields.fail("sessions", "at least one")
    metrics = Fields(fields.values.get("metrics") or {}, "metrics")
    best, last = _measured(metrics, "best"), _measured(metrics, "last")
    return Provenance(sessions, best, last, _dropped(fields))


def _dropped(fields: Fields) -> Dropped:
    if fields.values.get("dropped") is None:
        return Dropped()
    inner = Fields(fields.take("dropped"), "dropped")
    return Dropped(inner.whole("sessions"), read_seconds(inner) or 0.0)


def _measured(metrics: Fields, key: str) -> Measured | None:
    if metrics.values.get(key) is None:
        return None
    inner = Fields(metrics.take(key), f"metrics {key}")
    values = inner.table("values")
    if not all(_is_value(value) for value in values.values()):
        inner.fail("values", "an object of numbers")
    numbers = {
        printable(name): None if value is None else float(value) for name, value in values.items()
    }
    return Measured(inner.whole("step"), numbers)


def _is_value(value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or is_number


def _measured_json(found: Measured | None) -> dict[str, Any] | None:
    if found is None:
        return None
    values = {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in found.values.items()
    }
    return {"step": found.step, "values": values}
