# SPDX-License-Identifier: Apache-2.0
"""JPEG: its segments as decoders find them, and a file without what they merely complain of.

Written here: Pillow reads segments up to the first scan alone, and the other decoders name none.

Source: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["END", "EXIF", "FRAMES", "START_OF_SCAN", "segments", "to_plain_jpeg"]

END, START_OF_SCAN, EXIF = 0xD9, 0xDA, 0xE1
# The markers of a frame's header; 0xC4, 0xC8 and 0xCC lie between them and are others.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL, _COMMENT, _JFIF, _ADOBE = (0xC0, 0xC1), 0xFE, 0xE0, 0xEE
_APPLICATION = range(0xE0, 0xF0)
# Of a marker with a content. Any other byte before it is skipped, restarts and pixels too.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_MOST_PADDING_BYTES = 64


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment's content, up to the first that does not fit.

    The last is the end marker, without content. A decoder must find the same ones: else a size
    that was checked here is not the size that it makes room for.

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
    """Return the same pixels without what a decoder warns of, and which says nothing of damage.

    That is: bytes between segments, a version of JFIF or a colour profile that it does not know,
    numbers of a progressive scan in a sequential one (some phones write zeros), and zeros that pad
    the pixels.

    Args:
        data: Of which :func:`segments` finds the end marker.
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
    """Return coded pixels without the zeros after them, but for one, which may belong to them."""
    kept = pixels.rstrip(b"\0") + b"\0"
    is_padding = 0 < len(pixels) - len(kept) <= _MOST_PADDING_BYTES
    return kept if is_padding else pixels
