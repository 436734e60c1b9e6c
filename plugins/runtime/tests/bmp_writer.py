# SPDX-License-Identifier: Apache-2.0
"""BMPs of every kind, written from Microsoft's description of the format."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bitmaps"]

_MASKS = {
    16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)],
    24: [(0xFF0000, 0xFF00, 0xFF, 0)],
    32: [
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        (0, 0, 0, 0),
    ],
}


def bitmaps(seed: int, size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    """Yield BMPs of one size, each with its kind.

    Args:
        seed: Of their pixels and palettes.
        size: Width and height in px.
    """
    generator = np.random.default_rng(seed)
    for bits, (name, palette) in itertools.product((1, 4, 8), _palettes(8, generator)):
        colors = palette[: 1 << bits] if name != "short" else palette[: max(2, (1 << bits) // 3)]
        for header_bytes, is_from_top in ((12, False), (40, False), (40, True), (124, False)):
            if name == "short" and header_bytes == 12:
                continue
            kind = f"{bits} bits, palette {name}, header {header_bytes}, from top {is_from_top}"
            yield kind, _bitmap(generator, size, bits, header_bytes, is_from_top, colors=colors)
    for bits, header_bytes in itertools.product((16, 24, 32), (12, 40, 108)):
        yield f"{bits} bits, {header_bytes}", _bitmap(generator, size, bits, header_bytes)
    for bits, options in _MASKS.items():
        for masks, header_bytes in itertools.product(options, (40, 52, 56, 108, 124)):
            data = _bitmap(generator, size, bits, header_bytes, compression=3, masks=masks)
            yield f"{bits} bits, masks {masks}, {header_bytes}", data
    for bits, (name, palette) in itertools.product((8, 4), _palettes(8, generator)):
        runs = _runs(generator.integers(0, 4, size[::-1]), bits)
        colors = palette[: 1 << bits]
        kind = {"compression": 1 if bits == 8 else 2, "body": runs, "colors": colors}
        yield f"{bits} bits, runs, palette {name}", _bitmap(generator, size, bits, 40, **kind)


def _palettes(bits: int, generator: Any) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    grey = np.repeat(np.arange(1 << bits, dtype=np.uint8)[:, None], 4, axis=1)
    yield "grey", grey
    yield "inverted", 255 - grey
    yield "random", generator.integers(0, 256, grey.shape, np.uint8)
    yield "short", generator.integers(0, 256, grey.shape, np.uint8)


def _bitmap(
    generator: Any,
    size: tuple[int, int],
    bits: int,
    header_bytes: int,
    is_from_top: bool = False,
    *,
    compression: int = 0,
    masks: tuple[int, ...] = (),
    colors: NDArray[np.uint8] | None = None,
    body: bytes | None = None,
) -> bytes:
    width, height = size
    if body is None:
        row_bytes = (width * bits + 31) // 32 * 4
        body = generator.integers(0, 256, row_bytes * height, np.uint8).tobytes()
    count = 0 if colors is None else len(colors)
    if header_bytes == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
        table = b"" if colors is None else colors[:, :3].tobytes()
    else:
        signed = -height if is_from_top else height
        sizes = (compression, len(body), 2835, 2835, count, 0)
        head = struct.pack("<IiiHHIIiiII", header_bytes, width, signed, 1, bits, *sizes)
        stated = struct.pack("<IIII", *(masks or (0, 0, 0, 0)))
        head += stated[:12] if masks and header_bytes == 40 else b""
        if header_bytes > 40:
            head = (head + stated).ljust(header_bytes, b"\0")[:header_bytes]
        table = b"" if colors is None else colors.tobytes()
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + table + body


def _runs(indices: NDArray[np.int64], bits: int) -> bytes:
    """Return rows as runs, the lowest row first."""
    body = b""
    for row in indices[::-1].tolist():
        for value, group in itertools.groupby(row):
            body += bytes([len(list(group)), value if bits == 8 else value * 17])
        body += b"\0\0"
    return body + b"\0\1"
