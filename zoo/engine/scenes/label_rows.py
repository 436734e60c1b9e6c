# SPDX-License-Identifier: Apache-2.0
"""The label map of a scene, filled from the top: in memory if it is small, else in a file."""

from __future__ import annotations

import mmap
import tempfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_HELD_PX", "LabelRows", "release"]

MOST_HELD_PX = 2**24
"""Pixels of the largest label map in memory; of a larger one, the system keeps what it can."""


class LabelRows:
    """The label map of one scene, which grows by rows.

    Args:
        width_px: Width of the scene.
        height_px: Height of the scene.
        stream: An empty file, to read and write; None for memory, or for a temporary file
            (``TMPDIR``) if the scene has more than `MOST_HELD_PX` pixels.
    """

    def __init__(self, width_px: int, height_px: int, stream: IO[bytes] | None = None) -> None:
        self._shape = height_px, width_px
        self._stream = stream
        self._held: NDArray[np.uint8] | None = None
        self._next_px = 0
        if stream is None and width_px * height_px <= MOST_HELD_PX:
            self._held = np.empty(self._shape, np.uint8)

    def put(self, rows: NDArray[np.uint8]) -> None:
        """Add the next rows.

        Args:
            rows: ``(h, W)``.

        Raises:
            DataError: The file cannot be written, for example on a full disk.
        """
        if self._held is not None:
            self._held[self._next_px : self._next_px + len(rows)] = rows
        else:
            self._write(np.ascontiguousarray(rows))
        self._next_px += len(rows)

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
        return np.memmap(stream, np.uint8, "r", shape=self._shape)


def release(labels: NDArray[np.uint8]) -> None:
    """Let the system take back the memory of a mapped file's rows that were read.

    Args:
        labels: As `LabelRows.whole` returns them; an array in memory is left alone.
    """
    mapped = getattr(labels, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
