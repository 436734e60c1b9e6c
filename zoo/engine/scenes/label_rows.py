# SPDX-License-Identifier: Apache-2.0
"""The label map of a scene, filled from the top: in memory if it is small, else in a file."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zoo.data import count_labels
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.label_journal import LabelJournal

__all__ = ["MOST_HELD_PX", "LabelRows", "release"]

MOST_HELD_PX = 2**24
"""Pixels of the largest label map in memory; of a larger one, the system keeps what it can."""


class LabelRows:
    """The label map of one scene, which grows by rows.

    Args:
        width_px: Width of the scene.
        height_px: Height of the scene.
        journal: The rows that are finished, to continue from; None for memory, or for a temporary
            file (``TMPDIR``) if the scene has more than `MOST_HELD_PX` pixels.

    Attributes:
        next_px: First row that is not finished.
        counts: Pixels of each id in the finished rows, ``(256,)``.
        facts: What was stated with the last finished rows.
    """

    def __init__(self, width_px: int, height_px: int, journal: LabelJournal | None = None) -> None:
        self._shape = height_px, width_px
        self._journal = journal
        self._stream: IO[bytes] | None = None if journal is None else journal.stream
        self._held: NDArray[np.uint8] | None = None
        self.next_px: int = 0 if journal is None else journal.next_px
        self.counts: NDArray[np.int64] = np.zeros(256, np.int64)
        self.facts: Mapping[str, Any] = {}
        if journal is not None:
            self.counts, self.facts = journal.counts, journal.facts
        elif width_px * height_px <= MOST_HELD_PX:
            self._held = np.empty(self._shape, np.uint8)

    def put(self, rows: NDArray[np.uint8], facts: Mapping[str, Any]) -> None:
        """Add the next rows.

        Args:
            rows: ``(h, W)``.
            facts: Plain values to have again when the scene is continued after these rows.

        Raises:
            DataError: The file cannot be written, for example on a full disk.
        """
        if self._held is not None:
            self._held[self.next_px : self.next_px + len(rows)] = rows
        elif self._journal is not None:
            self._journal.put(np.ascontiguousarray(rows), facts)
        else:
            self._write(np.ascontiguousarray(rows))
        self.next_px += len(rows)
        self.counts = self.counts + count_labels(rows)
        self.facts = facts

    def _write(self, rows: NDArray[np.uint8]) -> None:
        try:
            if self._stream is None:
                self._stream = tempfile.TemporaryFile(prefix="zoo-labels-")  # noqa: SIM115
            self._stream.write(rows.data)
            self._stream.flush()
        except OSError as error:
            message = f"cannot keep the labels of a large scene: {error.strerror or error}."
            hint = "free some space for temporary files, or choose their folder by TMPDIR."
            raise DataError(message, hint=hint) from error

    def whole(self) -> NDArray[np.uint8]:
        """Return all labels, ``(H, W)``, after the last row was put: an array or a mapped file."""
        if self._held is not None:
            return self._held
        stream: Any = self._stream
        with stream:  # what is mapped stays
            return np.memmap(stream, np.uint8, "r", shape=self._shape)


def release(labels: NDArray[np.uint8]) -> None:
    """Let the system take back the memory of a mapped file's rows that were read.

    Args:
        labels: As `LabelRows.whole` returns them; an array in memory is left alone.
    """
    mapped = getattr(labels, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
