# SPDX-License-Identifier: Apache-2.0
"""PNG: every chunk with its checksum, and a file that holds the pixels alone.

Written here, palettes included: Pillow takes a stream with too few rows for a whole picture, whose
rest is black; libpng, through OpenCV, refuses it.

Source: PNG specification, third edition, sections 5 and 11.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from zoo.data.decoders.faults import check_size, truncated, undecodable
from zoo.data.decoders.header import Header
from zoo.data.decoders.tiff_tags import read_orientation

__all__ = ["PNG_START", "find_chunk", "read_png", "to_plain_png"]

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})


def read_png(data: bytes, where: str) -> Header:
    """Return what a PNG says of itself; every chunk is checked, up to the end chunk.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: A chunk is missing, wrong or incomplete, or the picture is too large.
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
    """Yield type, start and end of each chunk's content while the file holds them."""
    at = len(PNG_START)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(data):
            return
        yield data[at + 4 : start], start, end
        at = end + 4


def find_chunk(data: bytes, kind: bytes) -> bytes | None:
    """Return the content of the first chunk of a kind, of a PNG that :func:`read_png` let pass.

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
    """Return a PNG of the pixels alone, and the factor of its decoded values.

    Colour profiles, comments and animations are left out: they may unpack to gigabytes, and no
    pixel depends on them. Transparency is dropped.

    Args:
        data: A PNG that :func:`read_png` let pass.
        by_index: Whether the samples are wanted as they are stored. OpenCV expands palettes to
            colours; calling the same pixels grey gives their indices back. Grey of fewer than 8
            bits it stretches to 255: the factor undoes that.

    Returns:
        The PNG, and what its decoded values must be divided by.
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
