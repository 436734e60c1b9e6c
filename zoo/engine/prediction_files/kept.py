# SPDX-License-Identifier: Apache-2.0
"""Rows of a batch of any size: in memory while they are few, else in a temporary file."""

from __future__ import annotations

import json
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import DataError

__all__ = ["KeptRows", "open_store", "sorted_paths", "stored_rows", "storing"]


def open_store() -> sqlite3.Connection:
    """Return an empty database, of which SQLite moves to a temporary file what its cache exceeds.

    It is gone with the object, or with the process.
    """
    store = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    store.execute("PRAGMA journal_mode = OFF")  # nothing is ever taken back
    return store


@contextmanager
def storing() -> Iterator[None]:
    """Raise the errors of a store in the block as zoo's.

    Raises:
        DataError: The temporary file cannot be written, for example on a full disk.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        message = f"cannot keep the list of images: {error}."
        hint = "free some space for temporary files, or choose their folder by TMPDIR."
        raise DataError(message, hint=hint) from error


def stored_rows(store: sqlite3.Connection, query: str, *values: Any) -> Iterator[Any]:
    """Yield the rows of a query, one in memory at a time.

    To read writes too: a sorter's file, and what makes room for the rows in SQLite's cache. Errors
    of whoever takes the rows are left as they are.

    Args:
        store: As `open_store` returns it.
        query: A ``SELECT``.
        values: Those of its question marks.

    Raises:
        DataError: The temporary file cannot be written.
    """
    with storing():
        rows = store.execute(query, values)
        row = rows.fetchone()
    while row is not None:
        yield row
        with storing():
            row = rows.fetchone()


def sorted_paths(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield paths in the order of `sorted`, without having all of them in memory.

    Args:
        paths: The paths, read before the first one is yielded.

    Raises:
        DataError: The temporary file cannot be written.
    """
    with closing(open_store()) as store:
        store.execute("CREATE TABLE paths (key, path)")
        for path in paths:
            key = os.path.normcase(path).replace(os.sep, "\0")  # folder by folder
            with storing():
                row = [os.fsencode(key), os.fsencode(path)]
                store.execute("INSERT INTO paths VALUES (?, ?)", row)
        for (found,) in stored_rows(store, "SELECT path FROM paths ORDER BY key"):
            yield Path(os.fsdecode(found))


class KeptRows:
    """Plain values by key, in the order in which they came."""

    def __init__(self) -> None:
        self._store = open_store()
        weakref.finalize(self, self._store.close)
        self._store.execute("CREATE TABLE rows (key PRIMARY KEY, value TEXT)")
        self._count = 0  # SQLite counts by reading all of them

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: object) -> bool:
        return self._first("SELECT 1 FROM rows WHERE key = ?", _encoded(key)) is not None

    def __iter__(self) -> Iterator[Any]:
        for (text,) in stored_rows(self._store, "SELECT value FROM rows ORDER BY rowid"):
            yield json.loads(text)

    def __getitem__(self, key: str | int) -> Any:
        row = self._first("SELECT value FROM rows WHERE key = ?", _encoded(key))
        if row is None:
            raise KeyError(key)
        return json.loads(row[0])

    def __setitem__(self, key: str | int, value: Any) -> None:
        row = [json.dumps(value, allow_nan=False), _encoded(key)]
        with storing():
            put = "INSERT OR IGNORE INTO rows (value, key) VALUES (?, ?)"
            is_new = self._store.execute(put, row).rowcount == 1
            if not is_new:
                self._store.execute("UPDATE rows SET value = ? WHERE key = ?", row)
        self._count += is_new

    @property
    def last_key(self) -> Any:
        """The key that came last; None without any."""
        row = self._first("SELECT key FROM rows ORDER BY rowid DESC LIMIT 1")
        return None if row is None else row[0]

    def _first(self, query: str, *values: Any) -> Any:
        return next(stored_rows(self._store, query, *values), None)


def _encoded(key: object) -> bytes | int:
    """Return a key that SQLite takes: names of files may be no text."""
    return key if isinstance(key, int) else str(key).encode("utf-8", "surrogatepass")
