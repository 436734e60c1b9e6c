# SPDX-License-Identifier: Apache-2.0
"""BMP by NumPy: OpenCV reads OS/2 BMPs as grey, and 16-bit BMPs too dark.

Source: BITMAPFILEHEADER and BITMAPINFOHEADER as Microsoft documents them; what they leave open is
decided as Pillow decides it, by which zoo reads BMP.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo_runtime.copied.decoders.faults import undecodable
from zoo_runtime.copied.decoders.opencv import decode_by_opencv

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BMP_START", "Bitmap", "decode_bmp", "read_bmp"]

BMP_START = b"BM"
_FILE_HEADER_BYTES = 14
_CORE_BYTES = 12
_HEADERS = (_CORE_BYTES, 40, 52, 56, 64, 108, 124)
_RAW, _RLE8, _RLE4, _BITFIELDS = range(4)
_DEPTHS = {_RAW: (1, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,), _BITFIELDS: (16, 24, 32)}
_MASKS: dict[int, set[tuple[int, ...]]] = {
    16: {(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)},
    24: {(0xFF0000, 0xFF00, 0xFF)},
    32: {
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0, 0, 0, 0),
    },
}
_USUAL = {16: (0x7C00, 0x3E0, 0x1F)}  # else blue, green and red byte
_ANEW = "save it as a BMP of 24 bits, or as PNG."


@dataclass(frozen=True, slots=True)
class Bitmap:
    """The header of a BMP.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        bits: Bits per pixel.
        compression: How pixels are stored: 0 as they are, 1 and 2 as runs, 3 by masks.
        masks: Of red, green and blue.
        start: Where the pixels begin in the file.
        is_from_top: Whether the first row is the upper one.
        colors: ``(256, 3)`` RGB of each index; None without a palette.
        is_grey: Whether the palette is that of a grey image.
    """

    width_px: int
    height_px: int
    bits: int
    compression: int
    masks: tuple[int, ...]
    start: int
    is_from_top: bool
    colors: NDArray[np.uint8] | None
    is_grey: bool

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, a multiple of four."""
        return ((self.width_px * self.bits + 31) >> 3) & ~3


def read_bmp(data: bytes, where: str) -> Bitmap:
    """Read the header of a BMP.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: The header is damaged, or of an unusual kind.
    """
    try:
        (start,) = struct.unpack_from("<I", data, 10)
        (size,) = struct.unpack_from("<I", data, _FILE_HEADER_BYTES)
        if size == _CORE_BYTES:
            width_px, height_px, _, bits = struct.unpack_from("<HHHH", data, 18)
            compression, count, is_from_top = _RAW, 0, False
        elif size in _HEADERS:
            fields = struct.unpack_from("<IIHHIIIII", data, 18)
            width_px, height_px, _, bits, compression, count = (*fields[:5], fields[8])
            is_from_top = data[25] == 0xFF
            height_px = 2**32 - height_px if is_from_top else height_px
        else:
            raise undecodable(where, f"found a damaged BMP (a header of {size} bytes)")
        masks = _masks(data, size, bits) if compression == _BITFIELDS else ()
        end = _FILE_HEADER_BYTES + size + (12 if masks and size == 40 else 0)
    except struct.error as error:
        raise undecodable(where, "found a damaged BMP (its header is incomplete)") from error
    if bits not in _DEPTHS.get(compression, ()) or (masks and masks not in _MASKS[bits]):
        fault = f"found a BMP of {bits} bits and compression {compression}"
        raise undecodable(where, fault, _ANEW)
    entry_bytes = 3 if size == _CORE_BYTES else 4
    count = count or (1 << bits if bits <= 8 else 0)
    if bits <= 8 and start == _FILE_HEADER_BYTES + size:
        start += entry_bytes * count
    colors, is_grey = _palette(data, end, entry_bytes, count, bits, where)
    chosen = (*(masks or _USUAL.get(bits, (0, 0, 0))),)[:3]
    start = start or end + (entry_bytes * count if bits <= 8 else 0)
    place = (start, is_from_top, colors, is_grey)
    return Bitmap(width_px, height_px, bits, compression, chosen, *place)


def _masks(data: bytes, size: int, bits: int) -> tuple[int, ...]:
    """Return the masks of red, green and blue, and with 32 bits of transparency."""
    names = 4 if bits == 32 else 3
    if names == 4 and size < 56:  # such a header has no fourth mask
        return (*struct.unpack_from("<III", data, 54), 0)
    return struct.unpack_from(f"<{names}I", data, 54)


def _palette(
    data: bytes, at: int, entry_bytes: int, count: int, bits: int, where: str
) -> tuple[NDArray[np.uint8] | None, bool]:
    """Return the palette, and whether it is that of a grey image."""
    if bits > 8:
        return None, False
    if not 0 < count <= 65536:
        raise undecodable(where, f"found a damaged BMP (a palette of {count} colours)")
    stored = data[at : at + entry_bytes * count]
    entries = np.frombuffer(stored[: len(stored) // entry_bytes * entry_bytes], np.uint8)
    entries = entries.reshape(-1, entry_bytes)[:, 2::-1]
    grey = np.array([0, 255] if count == 2 else np.arange(count) % 256, np.uint8)
    is_grey = entries.shape[0] == count and bool((entries == grey[:, None]).all())
    colors = np.zeros((256, 3), np.uint8)
    used = entries[: 1 << bits]
    colors[: len(used)] = used
    if is_grey and (bits == 1) != (count <= 2):
        raise undecodable(where, f"found a BMP of {bits} bits and {count} greys", _ANEW)
    if is_grey and bits == 4:
        raise undecodable(where, "found a BMP of 4 bits whose palette states no colours", _ANEW)
    return colors, is_grey


def decode_bmp(data: bytes, where: str, bitmap: Bitmap) -> NDArray[np.uint8]:
    """Return ``(H, W)`` grey or ``(H, W, 3)`` RGB.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        bitmap: Its header.

    Raises:
        DataError: It is incomplete.
    """
    if bitmap.compression in (_RLE8, _RLE4):
        return _decode_runs(data, where, bitmap)
    size_bytes = bitmap.row_bytes * bitmap.height_px
    if len(data) < bitmap.start + size_bytes:
        raise undecodable(where, f"found a damaged BMP (truncated at {len(data)} bytes)")
    rows = np.frombuffer(data, np.uint8, size_bytes, bitmap.start)
    rows = rows.reshape(bitmap.height_px, bitmap.row_bytes)
    if not bitmap.is_from_top:
        rows = rows[::-1]
    if bitmap.bits <= 8:
        return _of_indices(rows, bitmap)
    if bitmap.bits == 16:
        return _of_16_bits(rows, bitmap)
    step = bitmap.bits // 8
    pixels = rows[:, : bitmap.width_px * step].reshape(bitmap.height_px, bitmap.width_px, step)
    masks = enumerate(bitmap.masks)
    places = [(mask.bit_length() - 1) // 8 if mask else 2 - index for index, mask in masks]
    return np.ascontiguousarray(pixels[..., places])


def _of_indices(rows: NDArray[np.uint8], bitmap: Bitmap) -> NDArray[np.uint8]:
    indices = np.ascontiguousarray(rows)
    if bitmap.bits == 1:
        indices = np.unpackbits(indices, axis=1)
    elif bitmap.bits == 4:
        indices = np.stack([indices >> 4, indices & 15], axis=2).reshape(len(rows), -1)
    indices = indices[:, : bitmap.width_px]
    return _colored(indices, bitmap)


def _colored(indices: NDArray[np.uint8], bitmap: Bitmap) -> NDArray[np.uint8]:
    if bitmap.colors is None or bitmap.is_grey:
        return np.ascontiguousarray(indices * np.uint8(255) if bitmap.bits == 1 else indices)
    colored: NDArray[np.uint8] = bitmap.colors[indices]
    return colored


def _of_16_bits(rows: NDArray[np.uint8], bitmap: Bitmap) -> NDArray[np.uint8]:
    values = np.ascontiguousarray(rows[:, : 2 * bitmap.width_px]).view("<u2")
    channels = []
    for mask in bitmap.masks:
        shift = (mask & -mask).bit_length() - 1
        most = mask >> shift
        channels.append(((values & mask) >> shift).astype(np.uint32) * 255 // most)
    return np.stack(channels, axis=2).astype(np.uint8)


def _decode_runs(data: bytes, where: str, bitmap: Bitmap) -> NDArray[np.uint8]:
    """Decode by OpenCV, which returns the colours of run-length coded indices."""
    pixels = decode_by_opencv(data, where).astype(np.uint8, copy=False)
    if pixels.ndim == 2 and not bitmap.is_grey:
        return np.repeat(pixels[..., None], 3, axis=2)
    return np.ascontiguousarray(pixels[..., 0]) if pixels.ndim == 3 and bitmap.is_grey else pixels
