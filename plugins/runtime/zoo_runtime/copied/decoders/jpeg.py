# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.jpeg, by tools/runtime_copies.py.
"""JPEG: read its markers, and decode with warnings treated as errors.

Source: ITU-T T.81, annex B; Adobe's technical note 5116 for four channels.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from zoo_runtime.copied.decoders.faults import check_size, truncated, undecodable
from zoo_runtime.copied.decoders.header import Header
from zoo_runtime.copied.decoders.jpeg_markers import (
    END,
    EXIF,
    FRAMES,
    START_OF_SCAN,
    segments,
    to_plain_jpeg,
)
from zoo_runtime.copied.decoders.tiff_tags import read_orientation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["JPEG_START", "decode_jpeg", "read_jpeg"]

JPEG_START = b"\xff\xd8\xff"
_LOG = logging.getLogger("zoo")
_SAVE_ANEW = "replace the file with an intact copy; if it looks intact, save it again as PNG."
# Hierarchical JPEG, which no decoder reads.
_OTHER_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
_ODD_SAMPLING = "Could not determine subsampling"
# Each scan of a progressive file covers all pixels: 30 scans of the largest image.
_MOST_SCANNED_PX = 2**33


def read_jpeg(data: bytes, where: str) -> Header:
    """Read the header of a JPEG up to its first scan.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: The header is incomplete, the end is missing, it is not 8-bit, or is too large.
    """
    header, orientation = None, None
    for marker, start, end in segments(data):
        if marker == EXIF and data[start : start + 6] == b"Exif\0\0" and orientation is None:
            orientation = read_orientation(data[start + 6 : end])
        elif marker in _OTHER_FRAMES:
            fault = "found a JPEG that is neither baseline nor progressive"
            raise undecodable(where, fault, _SAVE_ANEW)
        elif marker in FRAMES and header is None:
            header = _read_frame(data, where, start, end)
        elif marker == START_OF_SCAN:
            break
    else:
        raise undecodable(where, truncated("JPEG", len(data)))
    if header is None or data.rfind(bytes([0xFF, END])) < end:
        raise undecodable(where, truncated("JPEG", len(data)))
    _check_scans(data, where, header)
    if orientation is None:
        return header
    return Header("JPEG", *header.size, header.channels, orientation, has_exif=True)


def _check_scans(data: bytes, where: str, header: Header) -> None:
    most = _MOST_SCANNED_PX // (header.width_px * header.height_px)
    if data.count(bytes([0xFF, START_OF_SCAN])) <= most:
        return
    # Data after the image, such as a video, may contain the same two bytes by chance.
    scans = sum(marker == START_OF_SCAN for marker, _, _ in segments(data))
    if scans > most:
        fault = f"found a JPEG of {scans} scans of {header.width_px}x{header.height_px} px"
        raise undecodable(where, fault)


def _read_frame(data: bytes, where: str, start: int, end: int) -> Header:
    if end - start < 6:
        raise undecodable(where, "found a damaged JPEG (its frame header is too short)")
    bits, channels = data[start], data[start + 5]
    height_px = int.from_bytes(data[start + 1 : start + 3], "big")
    width_px = int.from_bytes(data[start + 3 : start + 5], "big")
    check_size(where, "JPEG", width_px, height_px)
    if bits != 8:
        fault = f"found a JPEG of {bits} bits, expected 8"
        raise undecodable(where, fault, "save it as a PNG or TIFF of 8 or 16 bits.")
    if channels not in (1, 3, 4):
        raise undecodable(where, f"found a JPEG of {channels} channels, expected 1, 3 or 4")
    return Header("JPEG", width_px, height_px, channels)


def decode_jpeg(data: bytes, where: str, header: Header) -> NDArray[np.uint8]:
    """Decode the pixels as stored, without orientation.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        header: The header from :func:`read_jpeg`.

    Returns:
        ``(H, W)`` grey or ``(H, W, 3)`` RGB; four channels as printed on white.

    Raises:
        DataError: The decoder fails, or warns of something that :func:`to_plain_jpeg` does not
            fix: it would fill damaged parts with guesses.
    """
    simplejpeg = _load_simplejpeg()
    if simplejpeg is None:
        return _decode_unwarned(data, where)
    space = {1: "GRAY", 3: "RGB", 4: "CMYK"}[header.channels]
    decode = functools.partial(simplejpeg.decode_jpeg, colorspace=space, strict=True)
    try:
        try:
            pixels: NDArray[np.uint8] = decode(data)
        except ValueError as error:
            if _ODD_SAMPLING in str(error):
                raise
            pixels = decode(to_plain_jpeg(data))
    except ValueError as error:
        reason = str(error).strip().rstrip(".")
        if _ODD_SAMPLING in reason:  # rare but valid; OpenCV reads it without warnings
            return _decode_unwarned(data, where)
        raise undecodable(where, f"found a damaged JPEG ({reason})", _SAVE_ANEW) from error
    if header.channels == 1:
        return pixels[..., 0]
    return pixels if header.channels == 3 else _to_rgb(pixels)


@functools.cache
def _load_simplejpeg() -> Any:
    """Return the module, or None with a warning if it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        text = "damaged JPEGs may pass: simplejpeg is not installed; pip install simplejpeg."
        _LOG.warning(text)
        return None
    return simplejpeg


def _decode_unwarned(data: bytes, where: str) -> NDArray[np.uint8]:
    """Decode by OpenCV, which returns the same pixels without libjpeg's warnings."""
    import numpy as np

    from zoo_runtime.copied.decoders.opencv import decode_by_opencv

    pixels = decode_by_opencv(data, where)
    return pixels.astype(np.uint8, copy=False)


def _to_rgb(inks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert four inverted inks to RGB: each colour times black."""
    import numpy as np

    product = inks[..., :3].astype(np.uint16) * inks[..., 3:] + np.uint16(128)
    rgb: NDArray[np.uint8] = ((product + (product >> 8)) >> 8).astype(np.uint8)
    return rgb
