# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.png, by tools/runtime_copies.py.
"""PNG: verify every chunk, and reduce a file to its pixels.

Pillow is not used, even for palettes: it accepts a stream with too few rows and fills the rest with
black. libpng, through OpenCV, refuses it.

Source: PNG specification, third edition, sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from zoo_runtime.copied.decoders.faults import check_size, truncated, undecodable
from zoo_runtime.copied.decoders.header import Header
from zoo_runtime.copied.decoders.tiff_tags import read_orientation

__all__ = ["PNG_START", "find_chunk", "read_png", "to_plain_png"]

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})


def read_png(data: bytes, where: str) -> Header:
    """Read the header of a PNG, and check every chunk up to the end chunk.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: A chunk is missing, wrong or incomplete, or the image is too large.
    """
    view = memoryview(data)
    header, orientation, kind = None, None, b""
    for kind, start, end in _chunks(data):
        (stated,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[start - 4 : end]) != stated:
            name = kind.decode("latin-1")
            raise undecodable(where, f"found a damaged PNG (checksum of chunk {name!r} is wrong)")
        if header is None:
            header = _read_first(data, where, kind, end - start)
        elif kind == b"IHDR":
            raise undecodable(where, "found a damaged PNG (two headers)")
        if kind == b"eXIf":
            orientation = read_orientation(bytes(view[start:end]))
        if kind == b"IEND":
            break
    if header is None or kind != b"IEND":
        raise undecodable(where, truncated("PNG", len(data)))
    if orientation is None:
        return header
    return Header("PNG", *header.size, header.channels, orientation, has_exif=True)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the content of each complete chunk."""
    at = len(PNG_START)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(data):
            return
        yield data[at + 4 : start], start, end
        at = end + 4


def find_chunk(data: bytes, kind: bytes) -> bytes | None:
    """Return the content of the first chunk of a kind in a PNG that :func:`read_png` accepts.

    Args:
        data: All bytes of the file.
        kind: Four bytes, such as ``b"PLTE"``.
    """
    return next((data[start:end] for found, start, end in _chunks(data) if found == kind), None)


def _read_first(data: bytes, where: str, kind: bytes, length: int) -> Header:
    if kind != b"IHDR" or length != 13:
        raise undecodable(where, "found a damaged PNG (it does not start with its header)")
    width_px, height_px, depth, color, *methods = struct.unpack_from(">IIBBBBB", data, 16)
    check_size(where, "PNG", width_px, height_px)
    if depth not in _DEPTHS.get(color, ()):
        fault = f"found a damaged PNG (colour type {color} of {depth} bits)"
        raise undecodable(where, fault)
    if methods[0] or methods[1] or methods[2] > 1:
        fault = "found a damaged PNG (unknown compression, filter or interlacing)"
        raise undecodable(where, fault)
    return Header("PNG", width_px, height_px, _CHANNELS[color])


def to_plain_png(data: bytes, *, by_index: bool) -> tuple[bytes, int]:
    """Return a PNG with only the pixels, and the factor of its decoded values.

    Colour profiles, comments and animations are removed: they may unpack to gigabytes and do not
    affect pixels. Transparency is dropped.

    Args:
        data: A PNG that :func:`read_png` accepts.
        by_index: Whether to return samples as stored. OpenCV expands palettes to colours; declaring
            the same pixels as grey yields their indices. OpenCV stretches grey of fewer than 8 bits
            to 255; the factor reverses that.

    Returns:
        The PNG, and the divisor of its decoded values.
    """
    depth, color = data[24], data[25]
    takes_index = by_index and color == _PALETTE
    factor = 255 // (2**depth - 1) if by_index and depth < 8 and color in (_GREY, _PALETTE) else 1
    kept = _CRITICAL - {b"PLTE"} if takes_index else _CRITICAL
    chunks = list(_chunks(data))
    if not takes_index and all(kind in kept for kind, _, _ in chunks):
        return data, factor
    parts = [PNG_START]
    for kind, start, end in chunks:
        if kind == b"IHDR" and takes_index:
            content = data[start : start + 9] + bytes([_GREY]) + data[start + 10 : end]
            checksum = struct.pack(">I", zlib.crc32(kind + content))
            parts += [data[start - 8 : start], content, checksum]
        elif kind in kept:
            parts.append(data[start - 8 : end + 4])
        if kind == b"IEND":
            break
    return b"".join(parts), factor
