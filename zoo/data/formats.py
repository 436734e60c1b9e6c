# SPDX-License-Identifier: Apache-2.0
"""Is a picture's file whole? Some decoders fill what is missing with grey and say nothing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

__all__ = ["find_fault", "find_jpeg_size", "to_index_png"]

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TIFF = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
_KNOWN = "expected PNG, JPEG, TIFF or BMP"


def find_fault(data: bytes) -> str | None:
    """Return what keeps ``data`` from being one whole picture, or None.

    PNG: every chunk with its checksum, up to the end chunk. JPEG: the end marker. TIFF: one page
    (reduced-size copies, as GeoTIFF overviews, are no pages). BMP: only that it is one, because
    writers get the length in its header wrong, and OpenCV sees for itself when rows are missing.
    """
    if not data:
        return f"found an empty file, {_KNOWN}"
    if data.startswith(_PNG):
        return _png_fault(data)
    if data.startswith(_JPEG):
        return _jpeg_fault(data)
    if data[:4] in _TIFF:
        return _tiff_fault(data)
    if data.startswith(b"BM"):
        return None
    return f"found a file that starts with {data[:8]!r}, {_KNOWN}"


def _truncated(kind: str, size_bytes: int) -> str:
    return f"found a truncated {kind} of {size_bytes} bytes, expected a whole one"


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of each chunk's content while the file holds them."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        start, end = at + 8, at + 8 + length
        if end + 4 > len(data):
            return
        yield data[at + 4 : start], start, end
        at = end + 4


def _png_fault(data: bytes) -> str | None:
    view = memoryview(data)
    for kind, start, end in _png_chunks(data):
        (stated,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[start - 4 : end]) != stated:
            return f"found a damaged PNG (checksum of chunk {kind.decode('latin-1')!r} is wrong)"
        if kind == b"IEND":
            return None
    return _truncated("PNG", len(data))


def _jpeg_fault(data: bytes) -> str | None:
    at = 2
    # Walk the segments to the first scan, past thumbnails that have end markers of their own.
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        is_fill = data[at + 1] == 0xFF
        at += 1 if is_fill else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    whole = at + 4 <= len(data) and data.rfind(b"\xff\xd9") > at
    return None if whole else _truncated("JPEG", len(data))


def find_jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a plain JPEG, read from its header.

    Plain: 8 bits, grey or three channels, baseline or progressive, and with no EXIF block that
    might turn the picture. None for anything else, which has to be decoded.
    """
    at = 2
    while data.startswith(_JPEG) and at + 10 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            return None
        if kind in (0xC0, 0xC1, 0xC2):
            bits, height_px, width_px, channels = struct.unpack_from(">BHHB", data, at + 4)
            plain = bits == 8 and channels in (1, 3) and height_px and width_px
            return (width_px, height_px) if plain else None
        if kind == 0xDA:
            return None
        at += 1 if kind == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _tiff_fault(data: bytes) -> str | None:
    try:
        pages = sum(1 for kind in _tiff_directories(data) if not kind & 1)
    except (struct.error, IndexError):
        return _truncated("TIFF", len(data))
    return None if pages <= 1 else f"found a TIFF of {pages} pages, expected one page"


def _tiff_directories(data: bytes) -> Iterator[int]:
    """Yield NewSubfileType (tag 254) of each image file directory; TIFF 6.0, pages 13-36."""
    order, is_big = _TIFF[data[:4]]
    offset, count, entry_bytes = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    (at,) = struct.unpack_from(order + offset, data, 8 if is_big else 4)
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        (entries,) = struct.unpack_from(order + count, data, at)
        at += struct.calcsize(order + count)
        kind = 0
        for index in range(entries):
            start = at + index * entry_bytes
            (tag,) = struct.unpack_from(order + "H", data, start)
            if tag == 254:
                (kind,) = struct.unpack_from(order + "I", data, start + (12 if is_big else 8))
        yield kind
        (at,) = struct.unpack_from(order + offset, data, at + entries * entry_bytes)


def to_index_png(data: bytes) -> tuple[bytes, int]:
    """Return a PNG from which OpenCV decodes the stored samples, and their factor.

    OpenCV expands palettes to colours. Calling the same pixels grey and dropping the palette
    gives the indices back exactly. Grey of fewer than 8 bits it stretches to 255.

    Returns:
        The same or another PNG, and the factor by which its decoded values must be divided; any
        other file as it is, with 1.
    """
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or data[25] not in (0, 3):
        return data, 1
    depth_bits, is_palette = data[24], data[25] == 3
    factor = 255 // (2**depth_bits - 1) if depth_bits < 8 else 1
    if not is_palette:
        return data, factor
    parts = [_PNG]
    for kind, start, end in _png_chunks(data):
        content = data[start:end]
        if kind in (b"PLTE", b"tRNS", b"bKGD", b"hIST", b"sBIT"):
            continue
        if kind == b"IHDR":
            content = content[:9] + b"\0" + content[10:]
        checksum = zlib.crc32(kind + content)
        parts.append(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum))
    return b"".join(parts), factor
