# SPDX-License-Identifier: Apache-2.0
"""PNGs with a palette whose chunks are whole and whose pixels are not, and Pillow beside them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
import pytest

from zoo.data import decode_image
from zoo.errors import DataError

WIDTH, HEIGHT = 40, 30


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(stream: bytes, depth: int) -> bytes:
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, 3, 0, 0, 0)
    palette = bytes(range(256)) * 3
    parts = [("IHDR", head), ("PLTE", palette[: 3 * 2**depth]), ("IDAT", stream), ("IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind.encode(), data) for kind, data in parts)


def rows(depth: int, seed: int = 0) -> tuple[bytes, np.ndarray]:
    """Return the rows as a PNG stores them, and the numbers that they hold."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 2**depth, (HEIGHT, WIDTH), np.uint8)
    bits = np.unpackbits(numbers[..., None], axis=2)[..., 8 - depth :].reshape(HEIGHT, -1)
    packed = np.packbits(bits, axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed), numbers


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_numbers_of_a_palette_are_those_that_were_stored(depth: int) -> None:
    """Of every depth; Pillow, which is asked beside it, agrees."""
    from PIL import Image

    stored, numbers = rows(depth)
    data = png(zlib.compress(stored), depth)

    found = decode_image(data, "x.png", palette="index")

    assert np.array_equal(found, numbers)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), numbers)


@pytest.mark.parametrize("palette", ["index", "colors"])
@pytest.mark.parametrize("depth", [1, 4, 8])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_palette_of_too_few_rows_is_refused(
    share: float, depth: int, palette: Literal["index", "colors"]
) -> None:
    """Every checksum is right. Pillow gives such a file a black rest."""
    stored, _ = rows(depth)
    data = png(zlib.compress(stored[: int(len(stored) * share)]), depth)

    with pytest.raises(DataError, match="damaged"):
        decode_image(data, "x.png", palette=palette)
