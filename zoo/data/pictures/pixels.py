# SPDX-License-Identifier: Apache-2.0
"""Bytes to pixels and back: the one way in which zoo reads a picture, in prepare and predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.data.decoders.opencv import load_cv2
from zoo.data.pictures.decoding import decode_picture
from zoo.data.pictures.depth import find_limits, to_uint8
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    DeepImage = NDArray[np.uint8 | np.uint16]

__all__ = [
    "count_labels",
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

# Run-length coding of filtered rows: on X-rays of 512x512 px it was both the fastest of zlib's
# strategies and the smallest but for level 4 and above, on masks the smallest of all; see
# benchmarks/prepare.py.
_PNG_LEVEL = 1
_COUNTED_AT_ONCE_PX = 4_000_000


def decode_image(
    data: bytes, where: str, *, palette: Literal["colors", "index"] = "colors"
) -> DeepImage:
    """Return the pixels of a PNG, JPEG, TIFF, BMP or JPEG 2000 at its own bit depth.

    Transparency is dropped. A stated orientation (EXIF, TIFF) is applied, as viewers and mmcv do,
    so a mask must fit the picture as it is seen. The kind is told from the bytes, not the suffix.

    Args:
        data: The whole file.
        where: The file's name for messages.
        palette: A palette gives its colours, or its numbers (a mask as Pascal VOC draws it); of a
            PNG with fewer than 8 bits, ``index`` gives all samples as they are stored: 0 and 1 of
            a 1-bit picture.

    Returns:
        ``(H, W)`` grey or ``(H, W, 3)`` RGB; uint8 or uint16.

    Raises:
        DataError: Empty, truncated, damaged, of several pages, no picture, too large, with other
            pixels than unsigned ones of 8 or 16 bits, or of a kind whose decoder is not installed.
    """
    return decode_picture(data, where, palette=palette).pixels


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
        message = f"cannot encode an image of shape {image.shape} as PNG."
        raise DataError(message)
    return bytes(data)


def count_labels(labels: Image) -> NDArray[np.int64]:
    """Return how many pixels each id of a label map has, ``(256,)``.

    Args:
        labels: ``(H, W)`` uint8.
    """
    import numpy as np

    counts = np.zeros(256, np.int64)
    # NumPy counts in a copy of eight bytes a pixel: a part at a time, for scenes.
    rows = max(1, _COUNTED_AT_ONCE_PX // max(1, labels.shape[1]))
    for top in range(0, labels.shape[0], rows):
        counts += np.bincount(labels[top : top + rows].ravel(), minlength=256)
    return counts


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return width and height from ``512x384`` or ``256`` (a square), None from ``""`` or None.

    Args:
        text: Sides in px.

    Raises:
        DataError: Neither of these, or a side that is not in 1..65535.
    """
    if not text:
        return None
    parts = text.lower().split("x")
    sides = [int(part) for part in parts if part.isascii() and part.isdigit()]
    if len(sides) != len(parts) or len(sides) > 2 or not all(0 < side < 2**16 for side in sides):
        message = f"cannot resize to {text!r}: expected WIDTHxHEIGHT or one number, in pixels."
        raise DataError(message, where="--size", hint="use for example --size 512x512.")
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
    """Return ``image`` at ``size`` (width, height): by area, or linearly where it grows.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` uint8.
        size: Width and height in px.
    """
    cv2 = load_cv2()
    height_px, width_px = image.shape[:2]
    if (width_px, height_px) == size:
        return image
    shrinks = size[0] <= width_px and size[1] <= height_px
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, size, interpolation=method)
    return resized


def resize_mask(labels: Image, size: tuple[int, int]) -> Image:
    """Return ``labels`` at ``size`` (width, height), each pixel the label nearest to its centre.

    Args:
        labels: ``(H, W)`` label ids.
        size: Width and height in px.
    """
    cv2 = load_cv2()
    height_px, width_px = labels.shape[:2]
    if (width_px, height_px) == size:
        return labels
    # INTER_NEAREST takes the upper left of the nearest and shifts masks against their pictures.
    resized: Image = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return resized
