# SPDX-License-Identifier: Apache-2.0
"""PNGs of every kind that the specification has, written from it, to be read by others."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["chunk", "png"]

START = b"\x89PNG\r\n\x1a\n"
# Adam7: first column and row of each pass, and the steps between its pixels.
PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    samples: NDArray[Any],
    color: int,
    depth: int,
    *,
    interlaced: bool = False,
    filters: int = 0,
    before: bytes = b"",
) -> bytes:
    """Return a PNG.

    Args:
        samples: ``(H, W, channels)``, each below ``2**depth``.
        color: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        depth: Of a sample, in bits.
        interlaced: Adam7.
        filters: Of the row ``y``, the filter ``(y + filters) % 5``, from depth 8 on; else none.
        before: Chunks between the header and the pixels.
    """
    height, width = samples.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    parts = (samples[y::dy, x::dx] for x, y, dx, dy in passes)
    rows = b"".join(_rows(part, depth, filters) for part in parts if part.size)
    body = chunk(b"IDAT", zlib.compress(rows))
    return START + chunk(b"IHDR", head) + before + body + chunk(b"IEND", b"")


def _rows(samples: NDArray[Any], depth: int, filters: int) -> bytes:
    height = samples.shape[0]
    flat = samples.reshape(height, -1)
    if depth == 16:
        lines = flat.astype(">u2").view(np.uint8).reshape(height, -1)
    elif depth == 8:
        lines = flat.astype(np.uint8)
    else:
        bits = (flat[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        lines = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
        return b"".join(b"\0" + line.tobytes() for line in lines)
    step = samples.shape[2] * depth // 8
    before = np.zeros(lines.shape[1], np.int64)
    done = []
    for y, line in enumerate(lines.astype(np.int64)):
        kind = (y + filters) % 5
        done.append(bytes([kind]) + _filtered(kind, line, before, step).tobytes())
        before = line
    return b"".join(done)


def _filtered(kind: int, line: NDArray[Any], up: NDArray[Any], step: int) -> NDArray[np.uint8]:
    left, corner = (np.concatenate([np.zeros(step, np.int64), row[:-step]]) for row in (line, up))
    guesses = [0 * line, left, up, (left + up) // 2, _paeth(left, up, corner)]
    return ((line - guesses[kind]) % 256).astype(np.uint8)


def _paeth(left: NDArray[Any], up: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    far = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
    is_left = (far[0] <= far[1]) & (far[0] <= far[2])
    return np.where(is_left, left, np.where(far[1] <= far[2], up, corner))
