# SPDX-License-Identifier: Apache-2.0
"""``zoo.lock``: the full digests of legacy weights that the user has adopted.

Upstream names contain 8 hex digits of a sha256, enough to find a file but too few to verify it.
Adopting pins all 64 digits of the published and of the converted file. From then on the weights are
verified like those of any row.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import ConflictError, DownloadError
from zoo.files import open_whole
from zoo.texts import shown
from zoo.weights.folders import home_expanded

__all__ = ["LOCK_NAME", "Pin", "add_pins", "lock_file", "own_lock_file", "pin_of", "read_pins"]

LOCK_NAME = "zoo.lock"
_FORMAT = 1
_LIMITS = Limits(size_bytes=2**24, values=500_000, depth=4)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "fix it, or move it away and run zoo rescue again."


@dataclass(frozen=True, slots=True)
class Pin:
    """The pinned file of one name.

    Attributes:
        name: Name of the legacy row.
        plugin: Plugin whose index lists it.
        sha256: Digest of the converted file, 64 hex digits.
        size_bytes: Size of the converted file.
        source_sha256: Digest of the upstream ``.pth``.
        source_size_bytes: Size of the upstream ``.pth``.
        parameters: Number of values in floating-point tensors, including buffers.
    """

    name: str
    plugin: str
    sha256: str
    size_bytes: int
    source_sha256: str
    source_size_bytes: int
    parameters: int


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
    file = path or lock_file()
    try:
        document = read_json(file, _LIMITS)
    except FileNotFoundError:
        return {}
    except (OSError, DocumentError) as error:
        raise _bad(file, reason_of(error)) from error
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if type(found) is not int or found != _FORMAT:
        raise _bad(file, f"its format is {shown(found)}, expected {_FORMAT}")
    rows = document.get("weights")
    if not isinstance(rows, list):
        raise _bad(file, "it has no list of weights")
    pins = [_pin(file, number, row) for number, row in enumerate(rows, 1)]
    return {pin.name: pin for pin in pins}


def add_pins(pins: Iterable[Pin], path: Path | None = None) -> Path:
    """Add pins to the lock file, replacing it atomically while no other process writes it.

    Args:
        pins: Pins to add.
        path: The lock file; None for the default one.

    Returns:
        The lock file.

    Raises:
        ConflictError: A name is already pinned to another digest; nothing is added.
        DownloadError: The file cannot be read or written.
    """
    file = path or lock_file()
    new = {pin.name: pin for pin in pins}
    try:
        with _held(file):
            known = read_pins(file)
            for name, pin in new.items():
                _check_same(file, known.get(name), pin)
            if new.items() <= known.items():
                return file
            _write(file, {**known, **new})
    except OSError as error:
        message = f"cannot write {file.name}: {error.strerror or error}."
        hint = "check the free space and the permissions there, or name another file with ZOO_LOCK."
        raise DownloadError(message, where=file, hint=hint) from error
    return file


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


def _write(file: Path, pins: dict[str, Pin]) -> None:
    import json

    rows = [asdict(pins[name]) for name in sorted(pins)]
    text = json.dumps({"format": _FORMAT, "weights": rows}, indent=1, ensure_ascii=False)
    staged = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with open_whole(file, staged, "w") as stream:
        stream.write(f"{text}\n")


def _check_same(file: Path, known: Pin | None, pin: Pin) -> None:
    if known is None or known == pin:
        return
    message = (
        f"cannot pin {pin.name!r} to sha256 {pin.sha256}, made from {pin.source_sha256}: "
        f"{file} pins it to {known.sha256}, made from {known.source_sha256}."
    )
    hint = "if the new file is the right one, remove the old row from that file first."
    raise ConflictError(message, first=known.sha256, second=pin.sha256, hint=hint)


def _pin(file: Path, number: int, row: Any) -> Pin:
    names = {field.name for field in fields(Pin)}
    if not isinstance(row, dict) or set(row) != names:
        raise _bad(file, f"row {number} has not the keys {', '.join(sorted(names))}")
    for key, value in row.items():
        if key.endswith("sha256"):
            fits = isinstance(value, str) and _DIGEST.fullmatch(value) is not None
        elif key in ("name", "plugin"):
            fits = isinstance(value, str) and 0 < len(value) < 500 and value.isprintable()
        else:
            fits = type(value) is int and value > 0
        if not fits:
            raise _bad(file, f"row {number}: {key} is {shown(value)}")
    return Pin(**row)


def _bad(file: Path, reason: str) -> DownloadError:
    return DownloadError(f"cannot use {file.name}: {reason}.", where=file, hint=_HINT)
