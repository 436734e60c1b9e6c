# SPDX-License-Identifier: Apache-2.0
"""Decode images by the rules of zoo.data, with OpenCV and NumPy alone.

The header of each file is checked as in zoo, by the same code, before a decoder sees it. What
OpenCV would read differently from zoo is decoded here, or refused; pixels never differ in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo_runtime.bmp import BMP_START, decode_bmp, read_bmp
from zoo_runtime.copied.decoders.faults import check_size, undecodable
from zoo_runtime.copied.decoders.jpeg import JPEG_START, decode_jpeg, read_jpeg
from zoo_runtime.copied.decoders.opencv import decode_by_opencv
from zoo_runtime.copied.decoders.png import PNG_START, read_png, to_plain_png
from zoo_runtime.copied.decoders.tiff_tags import TIFF_STARTS
from zoo_runtime.copied.pictures.picture import Picture
from zoo_runtime.copied.reading import read_file
from zoo_runtime.tiff_pixels import decode_tiff

if TYPE_CHECKING:
    import os

    from zoo_runtime.copied.decoders.header import Header

__all__ = ["BandChoice", "decode_picture", "read_picture"]

BandChoice = tuple[int, int, int] | None
_GREY_AND_ALPHA = 2
_CMYK = 4
_KNOWN = "expected PNG, JPEG, TIFF or BMP"
_EXPORT = "export it as one of these."


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read an image file, upright.

    Args:
        path: A regular file.

    Raises:
        DataError: See `decode_picture`; or the file cannot be opened.
    """
    return decode_picture(read_file(path), str(Path(path)))


def decode_picture(
    data: bytes,
    where: str,
    *,
    palette: Literal["colors", "index"] = "colors",
    bands: BandChoice = None,
) -> Picture:
    """Decode a PNG, JPEG, TIFF or BMP at its own bit depth, upright.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        palette: Only ``colors`` here: the runtime reads images, no masks.
        bands: Always None here: a choice of bands needs rasterio, as zoo has it.

    Raises:
        DataError: The file is empty, truncated, damaged, not an image or too large, has several
            pages or pixels other than unsigned 8 or 16 bits, or is of a kind that OpenCV reads
            differently from zoo.
    """
    if data.startswith(PNG_START):
        header = read_png(data, where)
        picture = Picture(_decode_png(data, where, header))
    elif data.startswith(JPEG_START):
        header = read_jpeg(data, where)
        picture = Picture(_decode_jpeg(data, where, header))
    elif data[:4] in TIFF_STARTS:
        header, picture = decode_tiff(data, where)
    elif data.startswith(BMP_START):
        bmp = read_bmp(data, where)
        check_size(where, "BMP", bmp.width_px, bmp.height_px)
        return Picture(decode_bmp(data, where, bmp))
    else:
        raise _unknown(data, where)
    return picture.turned(header.orientation)


def _decode_png(data: bytes, where: str, header: Header) -> Any:
    plain, _ = to_plain_png(data, by_index=False)
    pixels = decode_by_opencv(plain, where)
    # OpenCV expands grey with transparency to three channels.
    is_repeated = header.channels == _GREY_AND_ALPHA and pixels.ndim == 3
    return pixels[..., 0].copy() if is_repeated else pixels


def _decode_jpeg(data: bytes, where: str, header: Header) -> Any:
    if header.channels == _CMYK and not _has_simplejpeg():
        fault = "found a JPEG of four inks, expected grey or RGB"
        hint = 'pip install "mmzoo-runtime[jpeg]", or save it as RGB.'
        raise undecodable(where, fault, hint)
    return decode_jpeg(data, where, header)


def _has_simplejpeg() -> bool:
    try:
        import simplejpeg  # noqa: F401
    except ImportError:
        return False
    return True


def _unknown(data: bytes, where: str) -> Exception:
    if not data:
        return undecodable(where, f"found an empty file, {_KNOWN}")
    if data[128:132] == b"DICM":
        return undecodable(where, f"found a DICOM file, {_KNOWN}", "export it as one of them.")
    return undecodable(where, f"found a file that starts with {data[:8]!r}, {_KNOWN}", _EXPORT)
