# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.pictures.pixels, by tools/runtime_copies.py.
"""Decode and encode images, the same way in prepare and predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo_runtime.copied.decoders.opencv import load_cv2
from zoo_runtime.copied.pictures.depth import find_limits, to_uint8
from zoo_runtime.decoding import decode_picture
from zoo_runtime.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    DeepImage = NDArray[np.uint8 | np.uint16]

__all__ = [
    "count_labels",
    "decode_image",
    "encode_jpeg",
    "encode_png",
    "find_limits",
    "fit_size",
    "load_cv2",
    "parse_size",
    "resize_image",
    "resize_mask",
    "to_uint8",
]

# Run-length coding of filtered rows: on 512x512 px X-rays it was the fastest of zlib's strategies
# and, except for level 4 and above, the smallest; on masks it was the smallest of all. See
# benchmarks/prepare.py.
_PNG_LEVEL = 1
_COUNTED_AT_ONCE_PX = 4_000_000


def decode_image(
    data: bytes, where: str, *, palette: Literal["colors", "index"] = "colors"
) -> DeepImage:
    """Decode a PNG, JPEG, TIFF, BMP or JPEG 2000 at its own bit depth.

    Transparency is dropped. A stated orientation (EXIF, TIFF) is applied, as in viewers and mmcv,
    so a mask must match the upright image. The content, not the suffix, determines the format.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        palette: Whether to return colours or indices of a palette (a mask as in Pascal VOC). For a
            PNG with fewer than 8 bits, ``index`` returns samples as stored: 0 and 1 for a 1-bit
            image.

    Returns:
        ``(H, W)`` grey or ``(H, W, 3)`` RGB; uint8 or uint16.

    Raises:
        DataError: The file is empty, truncated, damaged, not an image or too large, has several
            pages or pixels other than unsigned 8 or 16 bits, or its decoder is not installed.
    """
    return decode_picture(data, where, palette=palette).pixels


def encode_png(image: DeepImage) -> bytes:
    """Encode an 8-bit or 16-bit image as PNG, without loss.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8 or uint16.

    Raises:
        DataError: It has another type or shape, no pixel, or more than PNG can hold.
    """
    cv2 = load_cv2()
    options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    options += [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return _encode(image, ".png", options, ("uint8", "uint16"))


def encode_jpeg(image: Image, *, quality: int = 92) -> bytes:
    """Encode an 8-bit image as JPEG, with loss: for pictures, never for masks.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` RGB, uint8, sides of at most 65,500 px.
        quality: From 1 to 100, as in libjpeg.

    Raises:
        DataError: It has another type or shape, no pixel, or a side is longer than JPEG can hold.
    """
    cv2 = load_cv2()
    if not 1 <= quality <= 100:
        message = f"cannot encode a JPEG of quality {quality}: expected 1..100."
        raise DataError(message, hint="92 suits photographs.")
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality], ("uint8",))


def _encode(image: DeepImage, suffix: str, options: list[int], dtypes: tuple[str, ...]) -> bytes:
    cv2 = load_cv2()
    name = "JPEG" if suffix == ".jpg" else "PNG"
    is_picture = image.ndim in (2, 3) and image.shape[2:] in ((), (3,)) and image.size > 0
    if image.dtype not in dtypes or not is_picture:
        found = f"{image.dtype} of shape {image.shape}"
        wanted = f"{' or '.join(dtypes)} of shape (H, W) or (H, W, 3)"
        message = f"cannot encode an image as {name}: found {found}, expected {wanted}."
        raise DataError(message, hint=f"convert it with .astype({dtypes[-1]!r}).")
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        done, data = cv2.imencode(suffix, pixels, options)
    except cv2.error:  # such as a side that the format cannot state
        done = False
    if not done:
        message = f"cannot encode an image of shape {image.shape} as {name}."
        raise DataError(message, hint="cut it into parts.")
    return bytes(data)


def count_labels(labels: Image) -> NDArray[np.int64]:
    """Return the number of pixels of each id in a label map, ``(256,)``.

    Args:
        labels: ``(H, W)`` uint8.
    """
    import numpy as np

    counts = np.zeros(256, np.int64)
    # NumPy counts in a copy with eight bytes per pixel, so large scenes are counted in parts.
    rows = max(1, _COUNTED_AT_ONCE_PX // max(1, labels.shape[1]))
    for top in range(0, labels.shape[0], rows):
        counts += np.bincount(labels[top : top + rows].ravel(), minlength=256)
    return counts


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Parse ``512x384`` or ``256`` (a square) to width and height; None for ``""`` or None.

    Args:
        text: Sides in px.

    Raises:
        DataError: It is something else, or a side is not in 1..65535.
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
    """Return the output width and height of an image.

    Args:
        height_px: Of the picture.
        width_px: Of the picture.
        size: Requested width and height, or None to keep the size.
        keep_aspect: Whether to fit into ``size`` with the original aspect ratio. Nothing is padded,
            so prepared images with different aspect ratios differ in size.
    """
    if size is None:
        return width_px, height_px
    if not keep_aspect:
        return size
    scale = min(size[0] / width_px, size[1] / height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def resize_image(image: Image, size: tuple[int, int]) -> Image:
    """Resize an image by area averaging, or linearly to enlarge it.

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
    """Resize a label map; each pixel takes the label nearest to its centre.

    Args:
        labels: ``(H, W)`` label ids.
        size: Width and height in px.
    """
    cv2 = load_cv2()
    height_px, width_px = labels.shape[:2]
    if (width_px, height_px) == size:
        return labels
    # INTER_NEAREST rounds to the upper left and shifts masks against their images.
    resized: Image = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return resized
