# SPDX-License-Identifier: Apache-2.0
"""Items on disk: written one by one, counted, and read in blocks as Ray's workers take them."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from zoo.errors import DataError

__all__ = ["Spool", "items_of", "spooled"]

_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Spool:
    """A file of pickled items, each behind its length.

    Attributes:
        path: The file.
        count: The number of items.
    """

    path: Path
    count: int

    def blocks(self, size: int) -> Iterator[bytes]:
        """Yield the items in their order, several in a text of bytes for `items_of`.

        Args:
            size: Items in each, but the last.
        """
        with self.path.open("rb") as stream:
            for start in range(0, self.count, size):
                yield b"".join(_next(stream) for _ in range(min(size, self.count - start)))


def _next(stream: Any) -> bytes:
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
    data: bytes = stream.read(length)
    return data


def items_of(block: bytes) -> Iterator[Any]:
    """Yield the items of a block.

    Args:
        block: As `Spool.blocks` yields it.
    """
    stream = BytesIO(block)
    while stream.tell() < len(block):
        yield pickle.load(stream)  # noqa: S301 - of the starter


@contextmanager
def spooled(items: Iterable[Any]) -> Iterator[Spool]:
    """Write items to a temporary file, of which one is in memory at a time.

    Args:
        items: Plain values.

    Raises:
        DataError: They cannot be written, for example on a full disk.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="zoo-items-"))
    except OSError as error:
        raise _unwritable(error) from error
    try:
        path = folder / "items"
        try:
            count = _write(path, items)
        except OSError as error:
            raise _unwritable(error) from error
        yield Spool(path, count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, items: Iterable[Any]) -> int:
    count = 0
    with path.open("wb") as stream:
        for item in items:
            data = pickle.dumps(item)
            stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
            count += 1
    return count


def _unwritable(error: OSError) -> DataError:
    message = f"cannot list what is to be done: {error.strerror or error}."
    hint = "free some space for temporary files, or choose their folder by TMPDIR."
    return DataError(message, hint=hint)
