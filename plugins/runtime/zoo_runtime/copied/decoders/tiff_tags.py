# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.tiff_tags, by tools/runtime_copies.py.
"""The directories of a TIFF, and of EXIF blocks, which have the same format.

They are read before decoding, because the tags determine which library reads the file correctly.

Source: TIFF 6.0, pages 13-16; BigTIFF as libtiff describes it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ORIENTATION", "TIFF_STARTS", "TiffDirectory", "read_directories", "read_orientation"]

ORIENTATION = 274
# File start -> byte order, and whether it is a BigTIFF.
TIFF_STARTS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q"}
_BYTES = {**{kind: struct.calcsize(f"<{code}") for kind, code in _CODES.items()}, 18: 8}
_SHORT = 3
_MOST_ENTRIES = 4096  # cameras write a few hundred
_MOST_DIRECTORIES = 4096
_MOST_VALUES = 4096  # for bits, bands and colours; strips are read by `array`

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """The tags of one page.

    Args:
        data: The whole file.
        order: Byte order, ``<`` or ``>``.
        entries: Tag -> entry.
    """

    data: Buffer
    order: str
    entries: dict[int, _Entry]

    @property
    def is_big(self) -> bool:
        """Whether it belongs to a BigTIFF."""
        return TIFF_STARTS[bytes(self.data[:4])][1]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def integers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return the values of a tag.

        Args:
            tag: Number of the tag.
            default: Values if the tag is missing.

        Raises:
            ValueError: They are outside the file, are not integers, or are too many.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return default
        self._check(entry, _MOST_VALUES)
        code = f"{self.order}{entry.count}{_CODES[entry.kind]}"
        return struct.unpack_from(code, self.data, entry.start)

    def integer(self, tag: int, default: int) -> int:
        """Return the first value of a tag; see :meth:`integers`.

        Args:
            tag: Number of the tag.
            default: Value if the tag is missing.
        """
        return (self.integers(tag) or (default,))[0]

    def has_shorts(self, tag: int, count: int) -> bool:
        """Return whether a tag has ``count`` 16-bit values.

        Args:
            tag: Number of the tag.
            count: Expected number of values.
        """
        entry = self.entries.get(tag)
        return entry is not None and (entry.kind, entry.count) == (_SHORT, count)

    def text(self, tag: int) -> str:
        """Return a tag as text, or ``""`` if missing; see :meth:`integers`.

        Args:
            tag: Number of the tag.
        """
        return bytes(value & 255 for value in self.integers(tag)).split(b"\0")[0].decode("latin-1")

    def array(self, tag: int) -> NDArray[np.uint64]:
        """Return all values of a tag without a limit, for offsets and lengths of strips.

        Args:
            tag: Number of the tag.

        Raises:
            ValueError: They are outside the file, or are not integers.
        """
        import numpy as np

        entry = self.entries.get(tag)
        if entry is None:
            return np.empty(0, np.uint64)
        self._check(entry, len(self.data))
        dtype = np.dtype(f"{self.order}{_CODES[entry.kind]}")
        values = np.frombuffer(self.data, dtype, entry.count, entry.start)
        return values.astype(np.uint64)

    def _check(self, entry: _Entry, most: int) -> None:
        size_bytes = entry.count * _BYTES.get(entry.kind, 1)
        fits = entry.start + size_bytes <= len(self.data)
        if entry.kind not in _CODES or entry.count > most or not fits:
            message = "a tag's values are not integers inside the file"
            raise ValueError(message)


def read_directories(data: Buffer) -> Iterator[TiffDirectory]:
    """Yield the directories of a TIFF, one per page, in order.

    Args:
        data: The whole file.

    Raises:
        ValueError: A directory is outside the file, or there are implausibly many directories or
            tags.
    """
    order, is_big = TIFF_STARTS[bytes(data[:4])]
    count, offset = ("Q", "Q") if is_big else ("H", "I")
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + offset, data, 8 if is_big else 4)
        while at and at not in seen:
            seen.add(at)
            if at >= len(data) or len(seen) > _MOST_DIRECTORIES:
                message = "a directory is outside the file"
                raise ValueError(message)
            (number,) = struct.unpack_from(order + count, data, at)
            if number > _MOST_ENTRIES:
                message = f"a directory has {number} tags"
                raise ValueError(message)
            at += struct.calcsize(order + count)
            yield TiffDirectory(data, order, dict(_entries(data, at, order, number, is_big)))
            (at,) = struct.unpack_from(order + offset, data, at + number * (20 if is_big else 12))
    except struct.error as error:
        message = "a directory ends outside the file"
        raise ValueError(message) from error


def _entries(
    data: Buffer, at: int, order: str, number: int, is_big: bool
) -> Iterator[tuple[int, _Entry]]:
    layout, inline_bytes = (f"{order}HHQ", 8) if is_big else (f"{order}HHI", 4)
    head_bytes = struct.calcsize(layout)
    for index in range(number):
        start = at + index * (head_bytes + inline_bytes)
        tag, kind, count = struct.unpack_from(layout, data, start)
        start += head_bytes
        if count * _BYTES.get(kind, 1) > inline_bytes:
            (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, start)
        yield tag, _Entry(kind, count, start)


def read_orientation(exif: bytes) -> int:
    """Return the orientation in an EXIF block; 1 if missing or invalid.

    Args:
        exif: The block from its byte order mark on.
    """
    if exif[:4] not in TIFF_STARTS or TIFF_STARTS[exif[:4]][1]:
        return 1
    order, _ = TIFF_STARTS[exif[:4]]
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (number,) = struct.unpack_from(f"{order}H", exif, at)
        # The rest may be damaged: like viewers, read no further than necessary.
        for tag, entry in _entries(exif, at + 2, order, min(number, _MOST_ENTRIES), is_big=False):
            if tag == ORIENTATION:
                stated = TiffDirectory(exif, order, {tag: entry}).integer(tag, 1)
                return stated if 1 <= stated <= 8 else 1
    except (struct.error, ValueError):
        return 1
    return 1
