# SPDX-License-Identifier: Apache-2.0
"""The images of a batch, each once and with its own output name: a few, or millions."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from zoo.engine.prediction_files.kept import open_store, stored_rows, storing

__all__ = ["InputImage", "InputImages"]


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image to predict.

    Args:
        path: Its path, as the user wrote it.
        name: The start of its outputs' names, unique among the inputs.
    """

    path: Path
    name: str


class InputImages:
    """Images in the order in which they were given, which are not kept in memory.

    An image's output name is its stem; equal stems get as much of their folders, then of their
    suffix, as distinguishes them: ``a/x.png`` and ``b/x.png`` become ``a_x`` and ``b_x``.

    Args:
        paths: Their paths; of several that lead to one file, the first one counts.

    Raises:
        DataError: The temporary file cannot be written, for example on a full disk.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._store = open_store()
        weakref.finalize(self, self._store.close)
        self._store.execute(
            "CREATE TABLE images (number INTEGER PRIMARY KEY, place UNIQUE, path, stem, name)"
        )
        self._count = 0  # SQLite counts by reading all of them
        put = "INSERT OR IGNORE INTO images (place, path, stem) VALUES (?, ?, ?)"
        for path in paths:
            row = [_encoded(text) for text in (_real_place(path), str(path), path.stem.casefold())]
            with storing():
                self._count += self._store.execute(put, row).rowcount
        with storing():
            _name(self._store)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[InputImage]:
        for path, name in stored_rows(self._store, "SELECT path, name FROM images ORDER BY number"):
            place = Path(os.fsdecode(path))
            yield InputImage(place, place.stem if name is None else os.fsdecode(name))

    def has_file(self, path: Path) -> bool:
        """Return whether a path leads to one of the images.

        Args:
            path: The path, of a file that need not exist.
        """
        place = _encoded(_real_place(path))
        found = stored_rows(self._store, "SELECT 1 FROM images WHERE place = ?", place)
        return next(found, None) is not None


def _real_place(path: Path) -> str:
    """Return the path of a file without links, as the system compares it.

    Args:
        path: Any path to it.
    """
    return os.path.normcase(os.path.realpath(path))


def _encoded(text: str) -> bytes:
    return os.fsencode(text)  # names of files may be no text


def _name(store: sqlite3.Connection) -> None:
    """Give images a unique name, also on disks that ignore case, where it is not their stem."""
    rows = store.execute("SELECT stem, number, path FROM images ORDER BY stem, number")
    is_clear = True
    for _, group in groupby(rows, key=lambda row: row[0]):
        (_, number, path), *others = group
        if not others:
            continue
        is_clear = False
        numbers = [number, *(each[1] for each in others)]
        paths = [Path(os.fsdecode(each)) for each in (path, *(each[2] for each in others))]
        for number, path, name in zip(numbers, paths, _tell_apart(paths), strict=True):
            _rename(store, number, None if name == path.stem else name)
    if not is_clear:
        _number_equals(store)


def _number_equals(store: sqlite3.Connection) -> None:
    """Number names that are taken: a lengthened name may equal another file's stem, which stays."""
    store.execute("CREATE TABLE taken (name PRIMARY KEY) WITHOUT ROWID")
    rows = store.execute("SELECT number, path, name FROM images ORDER BY name NOTNULL, number")
    for number, path, spelled in rows:
        stem = Path(os.fsdecode(path)).stem
        name = candidate = stem if spelled is None else os.fsdecode(spelled)
        count = 1
        while not _take(store, candidate):
            count += 1
            candidate = f"{name}_{count}"
        if candidate != name:
            _rename(store, number, candidate)
    store.execute("DROP TABLE taken")


def _take(store: sqlite3.Connection, name: str) -> bool:
    """Return whether a name was free, which is taken from now on."""
    key = [_encoded(name.casefold())]
    return store.execute("INSERT OR IGNORE INTO taken VALUES (?)", key).rowcount == 1


def _rename(store: sqlite3.Connection, number: int, name: str | None) -> None:
    text = None if name is None else _encoded(name)
    store.execute("UPDATE images SET name = ? WHERE number = ?", [text, number])


def _tell_apart(paths: Sequence[Path]) -> list[str]:
    """Name paths with the same stem by the fewest folders, or folders and suffix, that differ."""
    folders = [Path(os.path.realpath(path)).parent.parts[1:] for path in paths]
    depths = range(1, max(len(parts) for parts in folders) + 1)
    names = [path.stem for path in paths]
    for depth, with_suffix in [*((d, False) for d in depths), *((d, True) for d in (0, *depths))]:
        names = []
        for path, parts in zip(paths, folders, strict=True):
            suffix = path.suffix.replace(".", "_") if with_suffix else ""
            names.append("_".join([*parts[max(0, len(parts) - depth) :], path.stem]) + suffix)
        if len({name.casefold() for name in names}) == len(names):
            break
    return names
