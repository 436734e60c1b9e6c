# SPDX-License-Identifier: Apache-2.0
"""``zoo.lock``: the full digests of the weights that the user has adopted, and accepted licences.

Upstream names contain 8 hex digits of a sha256, enough to find a file but too few to verify it.
Adopting pins all 64 digits of the published and of the converted file. From then on the weights are
verified like those of any row.

Format 2 adds where a source came from, who converted it, and the licences; format 1 is still read.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import ConflictError, DownloadError
from zoo.files import open_whole
from zoo.texts import shown
from zoo.weights.folders import home_expanded

__all__ = [
    "LOCK_NAME",
    "Accepted",
    "Pin",
    "accept_licence",
    "accepted_licence",
    "add_pins",
    "lock_file",
    "own_lock_file",
    "pin_of",
    "read_pins",
]

LOCK_NAME = "zoo.lock"
_FORMAT = 2
_READ_FORMATS = (1, _FORMAT)
_LIMITS = Limits(size_bytes=2**24, values=500_000, depth=4)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "fix it, or move it away and adopt the weights again (zoo rescue, zoo download --pin)."


@dataclass(frozen=True, slots=True)
class Pin:
    """The pinned file of one name.

    Attributes:
        name: Name of the row.
        plugin: Plugin that lists it.
        sha256: Digest of the converted file, 64 hex digits.
        size_bytes: Size of the converted file.
        source_sha256: Digest of the source.
        source_size_bytes: Size of the source.
        parameters: Number of parameters, without buffers.
        converter: ``plugin.name`` of the converter, or None if there was none.
        converter_version: Its version, or None.
        address: Where the source came from, with its revision; None for a file of this disk.
        judge: Kind of the `Digest` that judged the source when it was adopted, or None.
    """

    name: str
    plugin: str
    sha256: str
    size_bytes: int
    source_sha256: str
    source_size_bytes: int
    parameters: int
    converter: str | None = None
    converter_version: int | None = None
    address: str | None = None
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A licence that the user accepted for one name.

    Attributes:
        name: Name of the row.
        plugin: Plugin that lists it.
        licence: The licence, as the row stated it; another one is to be accepted anew.
    """

    name: str
    plugin: str
    licence: str


def lock_file() -> Path:
    """Return the path of the current ``zoo.lock``, which may not exist yet.

    ``ZOO_LOCK`` sets it, so that a team can share one; by default it is the user's own.

    Raises:
        DownloadError: It starts with ``~``, and the home folder is unknown.
    """
    named = os.environ.get("ZOO_LOCK")
    return home_expanded(named, "ZOO_LOCK") if named else own_lock_file()


def own_lock_file() -> Path:
    """Return the path of the user's own ``zoo.lock``, regardless of ``ZOO_LOCK``.

    It is in the user's settings folder, not in the cache, which may be emptied or belong to
    another user.

    Raises:
        DownloadError: The folder starts with ``~``, and the home folder is unknown.
    """
    system = str(sys.platform)
    if system.startswith("linux"):  # same as platformdirs, whose import takes 6 ms
        settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return home_expanded(settings, "XDG_CONFIG_HOME") / "zoo" / LOCK_NAME
    from platformdirs import user_config_path

    return user_config_path("zoo") / LOCK_NAME


def pin_of(pins: Mapping[str, Pin], name: str, plugin: str) -> Pin | None:
    """Return the pin of a name if it belongs to the plugin, else None.

    Args:
        pins: Name -> pin.
        name: Name of the weights, without the plugin.
        plugin: Plugin whose row is looked up.
    """
    pin = pins.get(name)
    return pin if pin is not None and pin.plugin == plugin else None


def read_pins(path: Path | None = None) -> dict[str, Pin]:
    """Return the pins by name; empty if there is no lock file yet.

    Args:
        path: A ``zoo.lock``; None for the default one.

    Raises:
        DownloadError: It cannot be read, or is not a valid lock file.
    """
    return _read(path or lock_file())[0]


def accepted_licence(name: str, plugin: str) -> str | None:
    """Return the licence that the user accepted for a name, or None.

    Args:
        name: Name of the weights, without the plugin.
        plugin: Plugin that lists them.

    Raises:
        DownloadError: The lock file cannot be read, or is not valid.
    """
    found = _read(lock_file())[1].get((plugin, name))
    return None if found is None else found.licence


def add_pins(pins: Iterable[Pin], path: Path | None = None, *, replace: bool = False) -> Path:
    """Add pins to the lock file, replacing it atomically while no other process writes it.

    Args:
        pins: Pins to add.
        path: The lock file; None for the default one.
        replace: Whether a pin may replace another one of its name.

    Returns:
        The lock file.

    Raises:
        ConflictError: A name is already pinned to another digest; nothing is added.
        DownloadError: The file cannot be read or written.
    """
    file = path or lock_file()
    new = {pin.name: pin for pin in pins}
    with _changing(file):
        known, accepted = _read(file)
        for name, pin in () if replace else new.items():
            _check_same(file, known.get(name), pin)
        if not new.items() <= known.items():
            _write(file, {**known, **new}, accepted)
    return file


def accept_licence(accepted: Accepted) -> None:
    """Remember in the lock file that the user accepts a licence.

    Args:
        accepted: The licence and whose it is.

    Raises:
        DownloadError: The file cannot be read or written.
    """
    file = lock_file()
    with _changing(file):
        pins, known = _read(file)
        key = (accepted.plugin, accepted.name)
        if known.get(key) != accepted:
            _write(file, pins, {**known, key: accepted})


@contextlib.contextmanager
def _changing(file: Path) -> Iterator[None]:
    """Hold the lock file alone, and explain what keeps it from being written."""
    try:
        with _held(file):
            yield
    except OSError as error:
        message = f"cannot write {file.name}: {error.strerror or error}."
        hint = "check the free space and the permissions there, or name another file with ZOO_LOCK."
        raise DownloadError(message, where=file, hint=hint) from error


@contextlib.contextmanager
def _held(file: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    guard = file.with_name(f".{file.name}.guard")
    try:
        with FileLock(guard, timeout=60):
            yield
    except Timeout as error:
        message = f"cannot write {file.name}: another process has held it for 60 s."
        raise DownloadError(
            message, where=guard, hint="wait for that process, or stop it."
        ) from error


_Pins = dict[str, Pin]
_Licences = dict[tuple[str, str], Accepted]


def _write(file: Path, pins: _Pins, licences: _Licences) -> None:
    import json

    document: dict[str, Any] = {"format": _FORMAT}
    document["weights"] = [_stated(pins[name]) for name in sorted(pins)]
    document["licences"] = [asdict(licences[key]) for key in sorted(licences)]
    text = json.dumps(document, indent=1, ensure_ascii=False)
    staged = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with open_whole(file, staged, "w") as stream:
        stream.write(f"{text}\n")


def _stated(pin: Pin) -> dict[str, Any]:
    return {key: value for key, value in asdict(pin).items() if value is not None}


def _check_same(file: Path, known: Pin | None, pin: Pin) -> None:
    if known is None or known == pin:
        return
    message = (
        f"cannot pin {pin.name!r} to sha256 {pin.sha256}, made from {pin.source_sha256}: "
        f"{file} pins it to {known.sha256}, made from {known.source_sha256}."
    )
    hint = "if the new file is the right one, remove the old row from that file first."
    raise ConflictError(message, first=known.sha256, second=pin.sha256, hint=hint)


def _read(file: Path) -> tuple[_Pins, _Licences]:
    try:
        document = read_json(file, _LIMITS)
    except FileNotFoundError:
        return {}, {}
    except (OSError, DocumentError) as error:
        raise _bad(file, reason_of(error)) from error
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if type(found) is not int or found not in _READ_FORMATS:
        raise _bad(file, f"its format is {shown(found)}, expected 1 or {_FORMAT}")
    rows, licences = document.get("weights"), document.get("licences", [])
    for key, listed in (("weights", rows), ("licences", licences)):
        if not isinstance(listed, list):
            raise _bad(file, f"it has no list of {key}")
    pins = [Pin(**_checked(file, number, row, Pin)) for number, row in enumerate(rows, 1)]
    accepted = [
        Accepted(**_checked(file, number, row, Accepted)) for number, row in enumerate(licences, 1)
    ]
    return {pin.name: pin for pin in pins}, {(each.plugin, each.name): each for each in accepted}


def _checked(file: Path, number: int, row: Any, kind: type[Pin | Accepted]) -> dict[str, Any]:
    required = {field.name for field in fields(kind) if field.default is MISSING}
    optional = {field.name for field in fields(kind)} - required
    keys = set(row) if isinstance(row, dict) else set()
    if not required <= keys <= required | optional:
        raise _bad(file, f"row {number} has not the keys {', '.join(sorted(required))}")
    for key, value in row.items():
        if not _fits(key, value):
            raise _bad(file, f"row {number}: {key} is {shown(value)}")
    return dict(row)


def _fits(key: str, value: Any) -> bool:
    if key.endswith("sha256"):
        return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
    if key == "licence":
        return isinstance(value, str) and 0 < len(value) < 10_000  # a row's, of several lines too
    if key in _TEXTS:
        return isinstance(value, str) and 0 < len(value) < _TEXTS[key] and value.isprintable()
    return type(value) is int and value > 0


_TEXTS = {"name": 500, "plugin": 500, "converter": 500, "address": 5000, "judge": 100}


def _bad(file: Path, reason: str) -> DownloadError:
    return DownloadError(f"cannot use {file.name}: {reason}.", where=file, hint=_HINT)
