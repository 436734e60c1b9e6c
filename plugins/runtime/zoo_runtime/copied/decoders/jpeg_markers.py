# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.jpeg_markers, by tools/runtime_copies.py.
"""JPEG segments as decoders find them, and removal of harmless irregularities.

Pillow reads segments only up to the first scan, and the other decoders do not expose them.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["END", "EXIF", "FRAMES", "START_OF_SCAN", "segments", "to_plain_jpeg"]

END, START_OF_SCAN, EXIF = 0xD9, 0xDA, 0xE1
# The markers of a frame header; 0xC4, 0xC8 and 0xCC in between are other markers.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL, _COMMENT, _JFIF, _ADOBE = (0xC0, 0xC1), 0xFE, 0xE0, 0xEE
_APPLICATION = range(0xE0, 0xF0)
# A marker with content. Other bytes before it are skipped, including restarts and pixels.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_MOST_PADDING_BYTES = 64


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the content of each segment, up to the first invalid one.

    The last one is the end marker, without content. A decoder must find the same segments, or it
    would allocate another size than the checked one.

    Args:
        data: All bytes of the file.
    """
    at = 2
    while found := _MARKER.search(data, at):
        marker, start = data[found.end() - 1], found.end() + 2
        if marker == END:
            yield marker, found.end(), found.end()
            return
        end = found.end() + int.from_bytes(data[found.end() : start], "big")
        if end < start or end > len(data):
            return
        yield marker, start, end
        at = end


def to_plain_jpeg(data: bytes) -> bytes:
    """Return an equal JPEG without irregularities that cause warnings but are not damage.

    These are bytes between segments, unknown versions of JFIF or colour profiles, progressive
    scan parameters in a sequential file (some phones write zeros), and zero padding after the
    pixels.

    Args:
        data: A JPEG whose end marker :func:`segments` finds.
    """
    parts, is_sequential, pixels_at = [data[:2]], False, None
    for marker, start, end in segments(data):
        if pixels_at is not None:
            head_bytes = 2 if marker == END else 4
            parts.append(_without_padding(data[pixels_at : start - head_bytes]))
            pixels_at = None
        content = data[start:end]
        is_sequential = is_sequential or marker in _SEQUENTIAL
        if marker == _JFIF and content.startswith(b"JFIF\0"):
            content = content[:5] + b"\1\1" + content[7:]
        elif marker == START_OF_SCAN:
            pixels_at = end
            content = content[:-3] + b"\0\x3f\0" if is_sequential else content
        elif marker == _COMMENT or (marker in _APPLICATION and marker != _ADOBE):
            continue
        length = b"" if marker == END else (len(content) + 2).to_bytes(2, "big")
        parts.append(bytes([0xFF, marker]) + length + content)
    return b"".join(parts)


def _without_padding(pixels: bytes) -> bytes:
    """Return coded pixels without trailing zeros, except one, which may belong to them."""
    kept = pixels.rstrip(b"\0") + b"\0"
    is_padding = 0 < len(pixels) - len(kept) <= _MOST_PADDING_BYTES
    return kept if is_padding else pixels
