# SPDX-License-Identifier: Apache-2.0
"""The JSON document of a ``zoo.lock``: its format, its sections, and how it is replaced.

A section is a list of rows, sorted, each value on a line of its own, so that version control merges
what two people add. Equal content is equal bytes; nothing in it depends on a machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_file, read_json, reason_of
from zoo.errors import DownloadError
from zoo.files import open_whole
from zoo.texts import shown

__all__ = [
    "Sections",
    "bad_lock",
    "changing",
    "check_unfrozen",
    "is_frozen",
    "read_sections",
    "write_sections",
]

_FORMAT = 2
_LIMITS = Limits(size_bytes=2**24, values=500_000, depth=4)
_SECTIONS = ("plugins", "configs", "weights", "licences")
_MARK = re.compile(rb"^(<<<<<<<|=======|>>>>>>>)( |\r?$)", re.MULTILINE)
_HINT = "fix it, or move it away and adopt the weights again (zoo rescue, zoo download --pin)."

Sections = dict[str, list[Any]]
"""Name of a section -> its rows, not checked."""


def is_frozen() -> bool:
    """Return whether ``ZOO_FROZEN`` forbids to change the lock, or to use what it lacks."""
    return os.environ.get("ZOO_FROZEN", "0") not in ("", "0")


def check_unfrozen(file: Path) -> None:
    """Raise if ``ZOO_FROZEN`` forbids to change the lock.

    Args:
        file: The lock file.

    Raises:
        DownloadError: It does.
    """
    if is_frozen():
        message = f"cannot change {file.name}: ZOO_FROZEN is set, so nothing may be pinned."
        hint = "unset ZOO_FROZEN, pin it, and share the changed file."
        raise DownloadError(message, where=file, hint=hint)


def read_sections(file: Path) -> Sections:
    """Return the sections of a lock file; without the file, all are empty.

    Args:
        file: A ``zoo.lock``.

    Raises:
        DownloadError: It cannot be read, or is not a lock file of a format that zoo knows.
    """
    try:
        document = read_json(file, _LIMITS)
    except FileNotFoundError:
        return {name: [] for name in _SECTIONS}
    except (OSError, DocumentError) as error:
        raise _unreadable(file, error) from error
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if type(found) is not int or not 1 <= found <= _FORMAT:
        refusal = bad_lock(file, f"its format is {shown(found)}, expected 1 or {_FORMAT}")
        if type(found) is int and found > _FORMAT:
            refusal.hint = "update zoo: a newer one wrote that file."
        raise refusal
    for name in document:
        if name not in ("format", *_SECTIONS):
            raise bad_lock(file, f"it has the unknown section {shown(name)}")
    if "weights" not in document:
        raise bad_lock(file, "it has no list of weights")
    sections = {name: document.get(name, []) for name in _SECTIONS}
    for name, rows in sections.items():
        if not isinstance(rows, list):
            raise bad_lock(file, f"it has no list of {name}")
    return sections


def write_sections(file: Path, sections: Mapping[str, Sequence[Any]]) -> None:
    """Replace a lock file, which `changing` holds.

    Args:
        file: The lock file.
        sections: Every section with its rows, sorted.

    Raises:
        OSError: It cannot be written.
    """
    document: dict[str, Any] = {"format": _FORMAT}
    for name in _SECTIONS:
        if sections.get(name) or name == "weights":
            document[name] = list(sections.get(name, ()))
    text = json.dumps(document, indent=1, ensure_ascii=False)
    staged = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with open_whole(file, staged, "w") as stream:
        stream.write(f"{text}\n")


@contextlib.contextmanager
def changing(file: Path) -> Iterator[None]:
    """Hold a lock file alone, and explain what keeps it from being written.

    Args:
        file: The lock file; its folder is created.

    Raises:
        DownloadError: It cannot be written, another process holds it, or ``ZOO_FROZEN`` is set.
    """
    check_unfrozen(file)
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


def bad_lock(file: Path, reason: str) -> DownloadError:
    """Return the error of a lock file that breaks a rule.

    Args:
        file: The lock file.
        reason: What is wrong.
    """
    return DownloadError(f"cannot use {file.name}: {reason}.", where=file, hint=_HINT)


def _unreadable(file: Path, error: OSError | DocumentError) -> DownloadError:
    with contextlib.suppress(OSError, DocumentError):
        data = read_file(file, _LIMITS.size_bytes)
        if mark := _MARK.search(data):
            line = data.count(b"\n", 0, mark.start()) + 1
            message = f"cannot use {file.name}: it has the marks of a merge that is not resolved."
            hint = "keep the rows of both sides, each once, without the marks; then run zoo lock."
            return DownloadError(message, where=f"{file}:{line}", hint=hint)
    return bad_lock(file, reason_of(error))
