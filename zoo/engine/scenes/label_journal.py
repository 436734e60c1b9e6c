# SPDX-License-Identifier: Apache-2.0
"""Finished rows of a large label map in a file, and a journal of them to continue from.

Rows are appended to the file before the journal has their line, so a kill costs at most the rows in
work. Each line begins with its own checksum and states that of its rows; what fails one, for
example after a power cut, is predicted again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zoo.data import count_labels
from zoo.documents import DocumentError, Limits, parse_json, read_lines
from zoo.files import unwritable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KeptAt", "LabelJournal", "discard"]

_SCHEMA = "zoo.label-rows/1"
_LIMITS = Limits(size_bytes=2**20, values=10_000)  # of a line


@dataclass(frozen=True, slots=True)
class KeptAt:
    """Where the finished rows of a scene are kept, if it is large.

    Attributes:
        path: The file of the rows.
        key: Returns what identifies the scene and how it is predicted.
    """

    path: Path
    key: Callable[[], str]


class LabelJournal:
    """The finished rows of one scene.

    Args:
        path: The file of the rows; the journal is beside it.
        key: What identifies the scene and how it is predicted: rows of another key are dropped.
        width_px: Width of the scene.
        height_px: Height of the scene.

    Attributes:
        stream: The file of the rows, at its end.
        next_px: First row that was not finished when it was opened.
        counts: Pixels of each id in the rows before, ``(256,)``.
        facts: What was stated with the last of them.

    Raises:
        DataError: The file cannot be written.
    """

    def __init__(self, path: Path, key: str, width_px: int, height_px: int) -> None:
        self._path, self._width_px = path, width_px
        self._head = {"schema": _SCHEMA, "key": key, "size": [width_px, height_px]}
        self.next_px = 0
        self.facts: Mapping[str, Any] = {}
        self.counts: NDArray[np.int64] = np.zeros(256, np.int64)
        lines = self._load()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.stream: IO[bytes] = path.open("r+b" if lines else "w+b")
            self.stream.truncate(self.next_px * width_px)
            self.stream.seek(0, os.SEEK_END)
            self._journal = _beside(path).open("wb")
            self._journal.writelines(lines or [_encoded(self._head)])
            self._journal.flush()
        except OSError as error:
            raise unwritable(path, error) from error

    def put(self, rows: NDArray[np.uint8], facts: Mapping[str, Any]) -> None:
        """Add the next rows.

        Args:
            rows: ``(h, W)``.
            facts: Plain values to have again when the scene is continued after these rows.

        Raises:
            DataError: They cannot be written, for example on a full disk.
        """
        line = {"rows": len(rows), "crc": zlib.crc32(rows.data), "facts": dict(facts)}
        try:
            self.stream.write(rows.data)
            self.stream.flush()
            self._journal.write(_encoded(line))
            self._journal.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def close(self) -> None:
        """Close the journal; the rows may be mapped."""
        self._journal.close()

    def _take(self, rows: NDArray[np.uint8], facts: Mapping[str, Any]) -> None:
        self.next_px += len(rows)
        self.facts = facts
        self.counts = self.counts + count_labels(rows)

    def _load(self) -> list[bytes]:
        """Take the rows that are whole, and return their lines of the journal."""
        kept: list[bytes] = []
        faults = (OSError, DocumentError, KeyError, TypeError, ValueError)
        with suppress(*faults), self._path.open("rb") as stream:
            for line in read_lines(_beside(self._path), _LIMITS.size_bytes):
                checksum, _, text = line.partition(b" ")
                row = parse_json(text, _LIMITS) if checksum == _checksum(text) else None
                if not isinstance(row, dict) or (not kept and row != self._head):
                    break
                if kept and not self._holds(stream, row):
                    break
                kept.append(line)
        return kept

    def _holds(self, stream: IO[bytes], row: Mapping[str, Any]) -> bool:
        data = stream.read(row["rows"] * self._width_px)
        if len(data) != row["rows"] * self._width_px or zlib.crc32(data) != row["crc"]:
            return False
        self._take(np.frombuffer(data, np.uint8).reshape(row["rows"], -1), row["facts"])
        return True


def discard(path: Path) -> None:
    """Remove the finished rows of a scene, and its journal.

    Args:
        path: As `LabelJournal` has it; it need not exist.
    """
    for each in (_beside(path), path):
        with suppress(OSError):
            each.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.journal")


def _encoded(line: Mapping[str, Any]) -> bytes:
    text = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    return _checksum(text) + b" " + text


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()
