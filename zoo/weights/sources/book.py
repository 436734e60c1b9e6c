# SPDX-License-Identifier: Apache-2.0
"""The sources that a user has added, in the state folder: readable without network and lock.

    <state>/sources/sources.json                what is known of each source
    <state>/sources/<name>/<digest>.index.json  its index, byte for byte as it was signed
    <state>/sources/<name>/<digest>.rows.json   its rows, checked, in a form that is read fast

``sources.json`` is replaced last and as a whole, so a reader sees the old index or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import SourceError
from zoo.files import open_whole
from zoo.folders import state_folder
from zoo.texts import shown

__all__ = [
    "Source",
    "change_book",
    "index_path",
    "read_book",
    "rows_path",
    "sources_folder",
    "write_bytes",
    "writing",
]

_BOOK = "sources.json"
_FORMAT = 1
_LIMITS = Limits(size_bytes=2**22, values=100_000, depth=4)
_OPTIONAL = ("homepage", "key", "etag", "modified")


@dataclass(frozen=True, slots=True)
class Source:
    """One source, as of its last update.

    Attributes:
        name: The scope of its rows on this machine.
        address: Address of its index: https, http, hf or file.
        declared: Name that its publisher gave it.
        key: Fingerprint of the key that must sign it, or None.
        sequence: Number of the index.
        created: When the index was written, as the index states it.
        expires: When the index must have been replaced, as the index states it.
        licence: Licence of the index.
        homepage: Page of its publisher, or None.
        rows: Number of rows.
        replaces: Number of rows that claim to stand for an upstream address.
        digest: sha256 of the index.
        rows_digest: sha256 of the file of rows.
        checked: When the index was last compared with its server, UTC.
        tolerates: Whether the user accepted an index without signature, or an expired one.
        allows_private: Whether rows may name hosts of a private network.
        base: Where relative addresses start: the folder of the index; of a hub, at its commit.
        etag: Validator that the server gave for the index, or None.
        modified: Date that the server gave for the index, or None.
    """

    name: str
    address: str
    declared: str
    key: str | None
    sequence: int
    created: str
    expires: str
    licence: str
    homepage: str | None
    rows: int
    replaces: int
    digest: str
    rows_digest: str
    checked: str
    tolerates: bool
    allows_private: bool
    base: str
    etag: str | None = None
    modified: str | None = None

    @property
    def is_expired(self) -> bool:
        """Return whether the index should have been replaced by now."""
        # Both are of one form and in UTC, so that texts compare as moments do.
        return self.expires <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def marks(self) -> tuple[str, ...]:
        """Return what every listing says of its rows: ``unsigned``, ``expired``, both or none."""
        marks = {"unsigned": self.key is None, "expired": self.is_expired}
        return tuple(mark for mark, is_set in marks.items() if is_set)


def sources_folder() -> Path | None:
    """Return the folder of all sources, which may not exist; None if no home folder is known."""
    state = state_folder()
    return None if state is None else state / "sources"


def index_path(source: Source, folder: Path) -> Path:
    """Return the file of a source's index.

    Args:
        source: The source.
        folder: The folder of all sources.
    """
    return folder / source.name / f"{source.digest}.index.json"


def rows_path(source: Source, folder: Path) -> Path:
    """Return the file of a source's rows.

    Args:
        source: The source.
        folder: The folder of all sources.
    """
    return folder / source.name / f"{source.digest}.rows.json"


def read_book() -> dict[str, Source]:
    """Return the sources by name, sorted; empty if there are none.

    Raises:
        SourceError: The book cannot be read, or is damaged.
    """
    folder = sources_folder()
    if folder is None:
        return {}
    file = folder / _BOOK
    try:
        os.stat(file)  # most users have no sources, and need no JSON for a listing
        document = read_json(file, _LIMITS)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, DocumentError) as error:
        raise _bad(file, reason_of(error)) from error
    listed = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(listed, list) or document.get("format") != _FORMAT:
        raise _bad(file, f"it is not of the format {_FORMAT}")
    found = [_source(file, each) for each in listed]
    return {source.name: source for source in sorted(found, key=lambda each: each.name)}


def _source(file: Path, values: Any) -> Source:
    names = {field.name: str(field.type) for field in fields(Source)}
    if not isinstance(values, dict) or set(values) != set(names):
        raise _bad(file, f"a source has not the keys {', '.join(names)}")
    types: Mapping[str, type] = {"int": int, "bool": bool}
    for key, value in values.items():
        wanted = types.get(names[key], str)
        if type(value) is not wanted and not (key in _OPTIONAL and value is None):
            raise _bad(file, f"{key} is {shown(value)}")
    return Source(**values)


def _bad(file: Path, reason: str) -> SourceError:
    message = f"cannot read the sources of weights: {reason}."
    hint = f"move {file.name} away, and add the sources again with zoo source add."
    return SourceError(message, where=file, hint=hint)


def change_book(change: Callable[[dict[str, Source]], dict[str, Source]]) -> dict[str, Source]:
    """Replace the book by a changed one while no other process does; return the new one.

    Files that the new book does not name are removed.

    Args:
        change: Returns the new sources from the present ones, which may have changed since they
            were read; what it raises leaves the book as it is.

    Raises:
        SourceError: The book cannot be read or written.
    """
    import json

    with writing() as folder, _held(folder):
        before = read_book()
        after = change(dict(before))
        if after != before:
            rows = [asdict(source) for source in after.values()]
            text = json.dumps({"format": _FORMAT, "sources": rows}, ensure_ascii=False, indent=1)
            write_bytes(folder / _BOOK, text.encode())
            _clean(folder, before, after)
        return after


def _clean(folder: Path, before: Mapping[str, Source], after: Mapping[str, Source]) -> None:
    for name, source in before.items():
        kept = after.get(name)
        with suppress(OSError):  # another user's; they only take room
            if kept is None:
                shutil.rmtree(folder / name)
            elif kept.digest != source.digest:
                index_path(source, folder).unlink(missing_ok=True)
                rows_path(source, folder).unlink(missing_ok=True)


@contextmanager
def writing() -> Iterator[Path]:
    """Yield the folder of all sources, and report what cannot be written there.

    Raises:
        SourceError: No home folder is known, or the block cannot write a file.
    """
    folder = sources_folder()
    if folder is None:
        message = "cannot keep sources of weights: no home folder is known."
        raise SourceError(message, where="XDG_STATE_HOME", hint="set XDG_STATE_HOME to a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        message = f"cannot write the sources of weights: {error.strerror or error}."
        hint = "check the free space and the permissions there, or set XDG_STATE_HOME to another "
        raise SourceError(message, where=folder, hint=f"{hint}folder.") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    guard = folder / ".guard"
    try:
        with FileLock(guard, timeout=60):
            yield
    except Timeout as error:
        message = "cannot write the sources of weights: another process has held them for 60 s."
        hint = "wait for that process, or stop it."
        raise SourceError(message, where=guard, hint=hint) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes, replacing the file as a whole.

    Args:
        path: File in the state folder.
        data: Its content.

    Raises:
        OSError: It cannot be written.
    """
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open_whole(path, staged) as stream:
        stream.write(data)
