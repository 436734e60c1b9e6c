# SPDX-License-Identifier: Apache-2.0
"""Whether the compressed strips of a TIFF hold as many bytes as its pixels need.

OpenCV fills what a damaged strip of 8 bits lacks, without a word. So strips are unpacked far
enough to count their bytes, with NumPy for LZW, of which Python alone would take seconds.

Source: TIFF 6.0, sections 9 and 13; for LZW, the early change of code lengths is libtiff's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zoo_runtime.copied.decoders.tiff import TiffPage

__all__ = ["has_whole_strips"]

_STRIPS, _STRIP_BYTES, _FILL_ORDER, _TILES, _TILE_BYTES = 273, 279, 266, 324, 325
_LZW, _DEFLATE, _PACKBITS = (5,), (8, 32946), (32773,)
_CLEAR, _END, _FIRST = 256, 257, 258
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MOST_CODES = 4096 - _FIRST + 1
# The table has 258 entries while the first two codes are read, and one more for each later one.
_KNOWN = _FIRST + np.maximum(np.arange(_MOST_CODES) - 1, 0)
_BITS = 9 + (_KNOWN > 510).astype(np.int64) + (_KNOWN > 1022) + (_KNOWN > 2046)
_OFFSETS = np.concatenate([[0], np.cumsum(_BITS)])


class _DamageError(ValueError):
    """A code that no encoder writes."""


def has_whole_strips(page: TiffPage) -> bool:
    """Return whether each strip or tile has the bytes of its pixels.

    Args:
        page: Of a TIFF; all compressions but LZW, deflate and PackBits pass.
    """
    count = next((count for kinds, count in _COUNTS if page.compression in kinds), None)
    if count is None:
        return True
    is_mirrored = page.directory.integer(_FILL_ORDER, 1) == 2
    try:
        return all(
            count(data.translate(_MIRRORED) if is_mirrored else data, wanted) >= wanted
            for data, wanted in _strips(page)
        )
    except _DamageError:
        return False


def _strips(page: TiffPage) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes of each strip or tile, and how many its pixels take."""
    tags = (_TILES, _TILE_BYTES) if page.is_tiled else (_STRIPS, _STRIP_BYTES)
    starts, lengths = (page.directory.array(tag).tolist() for tag in tags)
    width_px, height_px = page.part
    row_bytes = (width_px * page.bits * page.header.channels + 7) // 8
    across = -(-page.header.width_px // width_px)
    down = -(-page.header.height_px // height_px)
    data = page.directory.data
    for index, (start, length) in enumerate(
        zip(starts[: across * down], lengths[: across * down], strict=False)
    ):
        rows = height_px
        if not page.is_tiled:
            rows = min(height_px, page.header.height_px - index * height_px)
        yield bytes(data[start : start + length]), rows * row_bytes


def _count_deflated(data: bytes, wanted: int) -> int:
    unpacker = zlib.decompressobj()
    try:
        return len(unpacker.decompress(data, wanted))
    except zlib.error:
        return 0


def _count_packed(data: bytes, wanted: int) -> int:
    at = count = 0
    while at < len(data) and count < wanted:
        head = data[at]
        if head < 128:
            held = min(head + 1, len(data) - at - 1)
            count += held
            at += 2 + head
        elif head > 128:
            count += 257 - head if at + 1 < len(data) else 0
            at += 2
        else:
            at += 1
    return count


def _count_lzw(data: bytes, wanted: int) -> int:
    padded = np.frombuffer(data + b"\0" * 4, np.uint8).astype(np.int64)
    words = (padded[:-3] << 24) | (padded[1:-2] << 16) | (padded[2:-1] << 8) | padded[3:]
    bit = count = 0
    while count < wanted:
        fitting = int(np.searchsorted(_OFFSETS, 8 * len(data) - bit, side="right")) - 1
        if fitting < 1:
            return count
        places = bit + _OFFSETS[:fitting]
        shifts = 32 - (places & 7) - _BITS[:fitting]
        codes = (words[places >> 3] >> shifts) & ((1 << _BITS[:fitting]) - 1)
        ends = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        used = int(ends[0]) if len(ends) else fitting
        count += _count_codes(codes[:used], wanted - count)
        if count >= wanted or not len(ends) or codes[used] == _END:
            return count
        bit += int(_OFFSETS[used + 1])
    return count


def _count_codes(codes: np.ndarray[tuple[int], np.dtype[np.int64]], wanted: int) -> int:
    """Return the bytes that codes spell; refuse those that are not in the table yet."""
    # Entry e is what code e spells and one byte; a code that is an entry spells as many bytes.
    entries = codes - _FIRST
    lengths = np.ones(len(codes), np.int64)
    ahead = np.where((entries >= 0) & (entries < np.arange(len(codes))), entries, -1)
    lengths += ahead >= 0
    while (more := ahead >= 0).any():
        steps = np.where(more, lengths[ahead] - 1, 0)
        lengths, ahead = lengths + steps, np.where(more, ahead[ahead], -1)
    total = np.cumsum(lengths)
    needed = int(np.searchsorted(total, wanted)) + 1
    is_known = (codes < _CLEAR) | (entries < np.arange(len(codes)))
    if not is_known[:needed].all():
        raise _DamageError
    return int(total[-1]) if len(codes) else 0


_COUNTS: tuple[tuple[tuple[int, ...], Callable[[bytes, int], int]], ...] = (
    (_LZW, _count_lzw),
    (_DEFLATE, _count_deflated),
    (_PACKBITS, _count_packed),
)
