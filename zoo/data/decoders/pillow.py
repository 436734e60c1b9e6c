# SPDX-License-Identifier: Apache-2.0
"""Decode with Pillow: BMP and common 8-bit TIFF, whose damage it detects.

OpenCV reads OS/2 BMPs as grey, and 16-bit BMPs too dark.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from zoo.data.decoders.faults import check_size, undecodable
from zoo.data.decoders.header import Header
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BMP_START", "decode_by_pillow", "read_bmp"]

BMP_START = b"BM"
# What Pillow raises for invalid headers.
_PILLOW_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


def read_bmp(data: bytes, where: str) -> Header:
    """Read the header of a BMP.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: The header is damaged or of an unusual kind, or the image is too large.
    """
    image = _open(data, where, "BMP")
    width_px, height_px = image.size
    return Header("BMP", width_px, height_px, len(image.getbands()))


def _open(data: bytes, where: str, kind: str) -> Any:
    """Open an image with Pillow's class for its format; reads only the header.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        kind: ``BMP`` or ``TIFF``.

    Raises:
        DataError: The header is damaged, the image is too large, or Pillow is not installed.
    """
    try:
        # Not Image.open, which tries all formats and has its own size limit.
        from PIL.BmpImagePlugin import BmpImageFile
        from PIL.TiffImagePlugin import TiffImageFile
    except ImportError as error:
        message = f"cannot read a {kind}: {error}."
        raise DataError(message, path=where, hint="pip install pillow.") from error
    opened = BmpImageFile if kind == "BMP" else TiffImageFile
    try:
        image = opened(BytesIO(data))
    except _PILLOW_ERRORS as error:
        raise undecodable(where, f"found a damaged {kind} ({_reason(error)})") from error
    check_size(where, kind, *image.size)
    return image


def decode_by_pillow(data: bytes, where: str, kind: str, *, by_index: bool) -> NDArray[np.uint8]:
    """Return ``(H, W)`` grey or ``(H, W, 3)`` RGB.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        kind: ``BMP`` or ``TIFF``.
        by_index: Whether to return indices of a palette instead of colours.

    Raises:
        DataError: It is damaged or incomplete.
    """
    import numpy as np

    image = _open(data, where, kind)
    if kind == "BMP":
        _check_bmp_length(image, data, where)
    try:
        image.load()
    except _PILLOW_ERRORS as error:
        raise undecodable(where, f"found a damaged {kind} ({_reason(error)})") from error
    if by_index and image.mode == "P":
        return np.asarray(image, np.uint8)
    mode = "L" if image.mode in ("1", "L") else "RGB"
    # For RGBA keep the colours: conversion would give the same result but slower.
    pixels: NDArray[np.uint8] = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels


def _check_bmp_length(image: Any, data: bytes, where: str) -> None:
    """Refuse a BMP that ends within its last row, which Pillow does not detect."""
    for codec, (_left, top, _right, bottom), offset, args in image.tile:
        if codec != "raw":  # run-length coding: Pillow counts the pixels itself
            continue
        _mode, row_bytes, _direction = args
        if len(data) < offset + row_bytes * (bottom - top):
            raise undecodable(where, f"found a damaged BMP (truncated at {len(data)} bytes)")


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
