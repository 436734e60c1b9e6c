# SPDX-License-Identifier: Apache-2.0
"""Bytes to pixels and back: the one way in which zoo reads a picture, in prepare and predict."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, Literal

from zoo.data.formats import find_fault, to_index_png
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    DeepImage = NDArray[np.uint8 | np.uint16]

__all__ = [
    "decode_image",
    "encode_png",
    "find_limits",
    "fit_size",
    "load_cv2",
    "parse_size",
    "resize_image",
    "resize_mask",
    "to_uint8",
]

_REPLACE = "replace the file with an intact copy, or take it out of the source."
# Of images and of masks, whose values no stretching may change.
CONVERT = (
    "gdal_translate -ot UInt16 IN.tif OUT.tif keeps whole values of 0 to 65535; "
    "-ot Byte -scale stretches any values to 8 bits."
)
_LOW, _HIGH = 0.001, 0.999
# Run-length coding of filtered rows: on X-rays of 512x512 px it was both the fastest of zlib's
# strategies and the smallest but for level 4 and above, on masks the smallest of all; see
# benchmarks/prepare.py.
_PNG_LEVEL = 1


@functools.cache
def load_cv2() -> Any:
    """Return the module ``cv2``, told not to print what an exception says already."""
    try:
        import cv2
    except ImportError as error:
        message = f"cannot read pictures: {error}."
        hint = "pip install opencv-python (or opencv-python-headless where libGL is missing)."
        raise DataError(message, hint=hint) from error
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.setLogLevel(0)
    return cv2


def decode_image(
    data: bytes, where: str, *, palette: Literal["colors", "index"] = "colors"
) -> DeepImage:
    """Return the pixels of a PNG, JPEG, TIFF or BMP at its own bit depth.

    Transparency is dropped. A stated orientation (EXIF, TIFF) is applied, as viewers and mmcv do,
    so a mask must fit the picture as it is seen. The kind is told from the bytes, not the suffix.

    Args:
        data: The whole file.
        where: The file's name for messages.
        palette: A palette PNG gives its colours, or the samples as they are stored: a palette's
            indices (a mask as Pascal VOC draws it), 0 and 1 of a 1-bit picture.

    Returns:
        ``(H, W)`` grey or ``(H, W, 3)`` RGB; uint8 or uint16.

    Raises:
        DataError: Empty, truncated, damaged, of several pages, no picture, or with other pixels
            than unsigned ones of 8 or 16 bits.
    """
    import numpy as np

    fault = find_fault(data)
    if fault is not None:
        raise _undecodable(where, fault)
    data, divisor = to_index_png(data) if palette == "index" else (data, 1)
    cv2 = load_cv2()
    try:
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _undecodable(where, f"found data that OpenCV refuses ({error.err})") from error
    if image is None:
        raise _undecodable(where, f"found a damaged picture of {len(data)} bytes")
    if image.dtype not in (np.uint8, np.uint16):
        fault = f"found {image.dtype} pixels, expected uint8 or uint16"
        raise _undecodable(where, fault, CONVERT)
    if divisor > 1:
        image //= divisor
    # The same as image[..., ::-1], and many times faster.
    pixels: DeepImage = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image
    return pixels


def _undecodable(where: str, fault: str, hint: str = _REPLACE) -> DataError:
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    return DataError(f"cannot decode {name!r}: {fault}.", path=where, hint=hint)


def find_limits(image: DeepImage) -> tuple[int, int]:
    """Return the values below which 0.1 % and 99.9 % of a picture's samples lie.

    Args:
        image: Any shape, uint16; all channels count together, so that colours keep their balance.
    """
    import numpy as np

    share = np.cumsum(np.bincount(image.ravel(), minlength=2**16)) / max(image.size, 1)
    return int(np.searchsorted(share, _LOW)), int(np.searchsorted(share, _HIGH))


def to_uint8(image: DeepImage, limits: tuple[int, int] | None = None) -> Image:
    """Return 8-bit pixels: 8-bit input as it is, 16-bit input stretched between its limits.

    Of a 16-bit picture, the limits become 0 and 255; between them it is linear, rounded to the
    nearest, and beyond them cut. A constant picture becomes 0.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.
        limits: Of the whole picture where ``image`` is a part of one, else its own
            (:func:`find_limits`).

    Returns:
        The same shape, uint8.
    """
    import numpy as np

    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    low, high = limits or find_limits(image)
    values = (np.arange(2**16, dtype=np.float64) - low) * (255 / max(high - low, 1))
    table = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    stretched: Image = table[image]
    return stretched


def encode_png(image: Image) -> bytes:
    """Return an 8-bit picture as PNG.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8.
    """
    cv2 = load_cv2()
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    options += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    done, data = cv2.imencode(".png", pixels, options)
    if not done:
        message = f"cannot encode a picture of shape {image.shape} as PNG."
        raise DataError(message)
    return bytes(data)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return width and height from ``512x384`` or ``256`` (a square), None from ``""`` or None.

    Raises:
        DataError: Neither of these, or a side that is not in 1..65535.
    """
    if not text:
        return None
    parts = text.lower().split("x")
    sides = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(sides) != len(parts) or len(sides) > 2 or not all(0 < side < 2**16 for side in sides):
        message = f"cannot resize to {text!r}: expected WIDTHxHEIGHT or one number, in pixels."
        raise DataError(message, where="--size", hint="write for example --size 512x512.")
    return sides[0], sides[-1]


def fit_size(
    height_px: int, width_px: int, size: tuple[int, int] | None, keep_aspect: bool
) -> tuple[int, int]:
    """Return the width and height that a picture gets.

    Args:
        height_px: Of the picture.
        width_px: Of the picture.
        size: Wanted width and height, or None for the picture's own.
        keep_aspect: The largest size inside ``size`` of the picture's own aspect; nothing is
            padded, so prepared pictures differ in size where their aspects do.
    """
    if size is None:
        return width_px, height_px
    if not keep_aspect:
        return size
    scale = min(size[0] / width_px, size[1] / height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Return ``image`` at ``size`` (width, height): by area, or linearly where it grows."""
    cv2 = load_cv2()
    height_px, width_px = image.shape[:2]
    if (width_px, height_px) == size:
        return image
    shrinks = size[0] <= width_px and size[1] <= height_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, size, interpolation=method)
    return resized


def resize_mask(labels: Image, size: tuple[int, int]) -> Image:
    """Return ``labels`` at ``size`` (width, height), each pixel the label nearest to its centre."""
    cv2 = load_cv2()
    height_px, width_px = labels.shape[:2]
    if (width_px, height_px) == size:
        return labels
    # INTER_NEAREST takes the upper left of the nearest and shifts masks against their pictures.
    resized: Image = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return resized
