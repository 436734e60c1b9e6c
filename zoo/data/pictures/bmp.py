# SPDX-License-Identifier: Apache-2.0
"""BMP, by Pillow: OpenCV takes the OS/2 kind for grey, and 16 bits for darker than they are."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from zoo.data.pictures.faults import check_size, undecodable
from zoo.data.pictures.header import Header
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BMP_START", "decode_bmp", "read_bmp"]

BMP_START = b"BM"
# What Pillow raises on headers that are none.
_PILLOW_ERRORS = (
    ArithmeticError,
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
    """Return what a BMP says of itself.

    Raises:
        DataError: Its header is damaged, of a kind that nobody writes, or of too large a picture.
    """
    image = _open(data, where)
    width_px, height_px = image.size
    return Header("BMP", width_px, height_px, len(image.getbands()))


def _open(data: bytes, where: str) -> Any:
    try:
        from PIL.BmpImagePlugin import BmpImageFile
    except ImportError as error:
        message = f"cannot read a BMP: {error}."
        raise DataError(message, path=where, hint="pip install pillow.") from error
    try:
        image = BmpImageFile(BytesIO(data))
    except _PILLOW_ERRORS as error:
        raise undecodable(where, f"found a damaged BMP ({_reason(error)})") from error
    check_size(where, "BMP", *image.size)
    return image


def decode_bmp(data: bytes, where: str, *, by_index: bool) -> NDArray[np.uint8]:
    """Return ``(H, W)`` grey or ``(H, W, 3)`` RGB.

    Args:
        data: The whole file.
        where: Its name for messages.
        by_index: Whether a palette's numbers are wanted in place of its colours.

    Raises:
        DataError: It is damaged, or rows are missing.
    """
    import numpy as np

    image = _open(data, where)
    try:
        image.load()
    except _PILLOW_ERRORS as error:
        raise undecodable(where, f"found a damaged BMP ({_reason(error)})") from error
    if by_index and image.mode in ("1", "P"):
        return np.asarray(image, np.uint8)
    pixels: NDArray[np.uint8] = np.asarray(image.convert("L" if image.mode in "1L" else "RGB"))
    return pixels


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
