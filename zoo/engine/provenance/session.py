# SPDX-License-Identifier: Apache-2.0
"""One start of a run: what it was started with, on what, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from zoo.documents import DocumentError
from zoo.engine.provenance.repository import Repository
from zoo.fields import Fields
from zoo.texts import printable

__all__ = ["OUTCOMES", "Session", "read_seconds", "read_session"]

OUTCOMES = ("finished", "stopped", "failed")
_MOST_ITEMS = 10_000
_HARDWARE_TEXTS = ("cpu", "system", "device")
_HARDWARE_COUNTS = ("cores", "threads", "memory_bytes", "processes", "workers")


@dataclass(frozen=True, slots=True)
class Session:
    """One start of a run.

    Attributes:
        started: Date and time, ISO 8601.
        command: The command that trains it; folders, passwords and tokens are left out.
        config_file: The resolved config, relative to the work dir.
        config_sha256: Digest of it without the places where it ran.
        seed: The seed of its random numbers.
        is_deterministic: Whether torch was told to use deterministic algorithms alone.
        data: Facts of each data set, with the ``parts`` (train, val, test) that read it: ``name``,
            and of a prepared folder ``digest``, ``splits``, ``labels``; ``licence`` if it is known.
        hardware: ``cpu``, ``cores``, ``threads``, ``memory_bytes``, ``gpus``, ``system``,
            ``device``, ``processes``, ``workers``.
        packages: Distribution -> version of what the process had imported; with ``python``.
        plugins: Plugin -> version of those that zoo found.
        repository: The user's git repository, or None.
        first_step: Steps that were done before it.
        resumed_from: Name of the checkpoint that it continued from, or None.
        ended: Date and time, or None while it runs and after a kill.
        outcome: ``finished``, ``stopped`` (by a signal) or ``failed``; None as ``ended``.
        error: Class of the error that ended it, and its message; or None.
        seconds: Its duration; without an end, up to its last checkpoint or validation, None before
            the first one.
        last_step: Steps that were done then.
        peak_bytes: ``main``, ``workers`` and ``gpu``: the most memory each had used then.
    """

    started: str
    command: str
    config_file: str
    config_sha256: str
    seed: int | None
    is_deterministic: bool
    data: Sequence[Mapping[str, Any]]
    hardware: Mapping[str, Any]
    packages: Mapping[str, str]
    plugins: Mapping[str, str]
    repository: Repository | None = None
    first_step: int = 0
    resumed_from: str | None = None
    ended: str | None = None
    outcome: str | None = None
    error: Mapping[str, str] | None = None
    seconds: float | None = None
    last_step: int | None = None
    peak_bytes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as ``run.json`` holds them."""
        return asdict(self)


def read_session(fields: Fields) -> Session:
    """Return a session of a ``run.json``; keys that this zoo does not know are left out.

    Args:
        fields: The object.

    Raises:
        DocumentError: A key is missing, or its value is not as expected.
    """
    ended = _optional(fields, "ended")
    return Session(
        started=_time(fields, "started"),
        command=printable(fields.string("command")),
        config_file=printable(fields.string("config_file")),
        config_sha256=fields.digest("config_sha256"),
        seed=_whole(fields, "seed"),
        is_deterministic=_flag(fields, "is_deterministic") is True,
        data=tuple(_data(row) for row in fields.rows("data")),
        hardware=_hardware(Fields(fields.take("hardware"), f"{fields.label} hardware")),
        packages=_texts(fields, "packages"),
        plugins=_texts(fields, "plugins"),
        repository=_repository(fields),
        first_step=fields.whole("first_step"),
        resumed_from=_text(fields, "resumed_from"),
        ended=None if ended is None else _time(fields, "ended"),
        outcome=None if ended is None else fields.choice("outcome", OUTCOMES),
        error=_error(fields),
        seconds=read_seconds(fields),
        last_step=_whole(fields, "last_step"),
        peak_bytes=_sizes(fields),
    )


def _optional(fields: Fields, key: str) -> Any:
    return fields.take(key) if key in fields.values else None


def _text(fields: Fields, key: str) -> str | None:
    return None if _optional(fields, key) is None else printable(fields.string(key))


def _whole(fields: Fields, key: str) -> int | None:
    return None if _optional(fields, key) is None else fields.whole(key)


def _flag(fields: Fields, key: str) -> bool | None:
    value = _optional(fields, key)
    if value is not None and not isinstance(value, bool):
        fields.fail(key, "true, false or null")
    return value


def read_seconds(fields: Fields) -> float | None:
    """Return the duration in an object of a ``run.json``, or None without one.

    Args:
        fields: The object.

    Raises:
        DocumentError: It is no duration.
    """
    value = _optional(fields, "seconds")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        fields.fail("seconds", "a number of 0 or more")
    return float(value)


def _texts(fields: Fields, key: str) -> dict[str, str]:
    table = fields.table(key)
    if len(table) > _MOST_ITEMS or not all(isinstance(value, str) for value in table.values()):
        fields.fail(key, "an object of texts")
    return {printable(name): printable(value) for name, value in table.items()}


def _time(fields: Fields, key: str) -> str:
    text = fields.text(key, wanted="a date and time")
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        fields.fail(key, "a date and time with its zone")
    return text


def _error(fields: Fields) -> dict[str, str] | None:
    if _optional(fields, "error") is None:
        return None
    inner = Fields(fields.take("error"), f"{fields.label} error")
    return {key: printable(inner.string(key)) for key in ("kind", "message")}


def _sizes(fields: Fields) -> dict[str, int]:
    if _optional(fields, "peak_bytes") is None:
        return {}
    inner = Fields(fields.take("peak_bytes"), f"{fields.label} peak_bytes")
    return {printable(name): inner.whole(name) for name in inner.values}


def _hardware(inner: Fields) -> dict[str, Any]:
    """Return the hardware, whose known keys are checked; each may be absent or null."""
    for key in _HARDWARE_TEXTS:
        _text(inner, key)
    for key in _HARDWARE_COUNTS:
        _whole(inner, key)
    if _optional(inner, "gpus") is not None:
        inner.texts("gpus")
    values: dict[str, Any] = _plain(inner.values)
    return values


def _data(row: Fields) -> dict[str, Any]:
    row.text("name")
    if not set(row.texts("parts")) <= {"train", "val", "test"}:
        row.fail("parts", "a list of train, val, test")
    if _optional(row, "digest") is not None:
        row.digest("digest")
    for key in ("licence", "plugin", "dataset", "version", "labels"):
        _text(row, key)
    for key in ("options", "synthetic"):
        if _optional(row, key) is not None:
            row.table(key)
    for name in row.table("splits") if _optional(row, "splits") is not None else ():
        split = Fields(row.values["splits"][name], f"{row.label} split")
        _whole(split, "count"), _whole(split, "groups"), _text(split, "digest")
    values: dict[str, Any] = _plain(row.values)
    return values


def _repository(fields: Fields) -> Repository | None:
    value = _optional(fields, "repository")
    if value is None:
        return None
    inner = Fields(value, "repository")
    commit = inner.text("commit", pattern="[0-9a-f]{40,64}", wanted="a commit")
    return Repository(commit, _flag(inner, "is_dirty"), _text(inner, "remote"))


def _plain(value: Any) -> Any:
    """Return a JSON value whose texts are safe to print."""
    if isinstance(value, dict):
        return {printable(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        if len(value) > _MOST_ITEMS:
            message = f"it holds a list of {len(value):,} values, expected at most {_MOST_ITEMS:,}"
            raise DocumentError(message)
        return [_plain(part) for part in value]
    return printable(value) if isinstance(value, str) else value
