# SPDX-License-Identifier: Apache-2.0
"""Label Studio's run lengths of a brush: packed bits of RGBA samples, row by row.

Source:
    https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack: 32 bits number of samples,
    5 bits their size less one, four sizes of counts of 4 bits each, less one; then blocks of a bit
    (a run, or single samples), 2 bits that choose the size of the count, the count less one, and
    the sample or samples. Label Studio packs the alpha of each pixel, 0 or 255, four times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["BrushError", "pack", "unpack"]

_CHANNELS = 4
_SAMPLE_BITS = 8
_COUNT_BITS = (3, 4, 8, 16)
_MOST_SAMPLES = 2**32


class BrushError(ValueError):
    """Run lengths are not those of a mask; the message is a clause."""


def unpack(packed: Sequence[int], width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Return a mask ``(H, W)`` from run lengths: what is at least half opaque.

    Args:
        packed: Bytes, 0 to 255.
        width_px: Of the image.
        height_px: Of the image.

    Raises:
        BrushError: They are damaged, or those of a mask of another size.
    """
    try:
        bits = _Bits(bytes(iter(packed)))  # of a number, `bytes` makes as many zeros
    except (TypeError, ValueError) as error:
        message = "its run lengths are no bytes"
        raise BrushError(message) from error
    total = bits.take(32)
    if total != width_px * height_px * _CHANNELS:
        message = f"its run lengths have {total} samples, expected {width_px} x {height_px} x 4"
        raise BrushError(message)
    size = bits.take(5) + 1
    counts = [bits.take(4) + 1 for _ in range(4)]
    samples = np.empty(total, np.min_scalar_type(2**size - 1))
    at = 0
    while at < total:
        is_run, count = bits.take(1), bits.take(counts[bits.take(2)]) + 1
        if at + count > total:
            message = "its run lengths are more than its pixels"
            raise BrushError(message)
        values = [bits.take(size)] if is_run else [bits.take(size) for _ in range(count)]
        samples[at : at + count] = values
        at += count
    alpha = samples.reshape(height_px, width_px, _CHANNELS)[..., 3]
    return np.asarray(alpha >= 1 << (size - 1))


class _Bits:
    """Reads numbers from bytes, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def take(self, count: int) -> int:
        end = self._at + count
        if end > len(self._text):
            message = "its run lengths end early"
            raise BrushError(message)
        text = self._text[self._at : end]
        self._at = end
        return int(text, 2)


def pack(mask: NDArray[np.bool_]) -> list[int]:
    """Return a mask as run lengths: bytes, 0 to 255.

    Args:
        mask: ``(H, W)``, less than 2**30 pixels.
    """
    flat = mask.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [flat.size]])) * _CHANNELS
    total = flat.size * _CHANNELS
    if total >= _MOST_SAMPLES:
        message = f"a mask of {flat.size} pixels is too large"
        raise BrushError(message)
    words = [f"{total:032b}", f"{_SAMPLE_BITS - 1:05b}"]
    words += [f"{bits - 1:04b}" for bits in _COUNT_BITS]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        sample = "1" * _SAMPLE_BITS if flat[start] else "0" * _SAMPLE_BITS
        words += _blocks(length, sample)
    text = "".join(words)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _blocks(length: int, sample: str) -> list[str]:
    """Return a run as blocks of at most 65536 samples."""
    blocks = []
    while length:
        count = min(length, 2 ** _COUNT_BITS[-1])
        choice = next(i for i, bits in enumerate(_COUNT_BITS) if count <= 2**bits)
        blocks.append(f"1{choice:02b}{count - 1:0{_COUNT_BITS[choice]}b}{sample}")
        length -= count
    return blocks
