# SPDX-License-Identifier: Apache-2.0
"""TIFF by OpenCV: the kinds that zoo reads without rasterio; others are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_runtime.copied.decoders.faults import check_size, undecodable
from zoo_runtime.copied.decoders.opencv import decode_by_opencv
from zoo_runtime.copied.decoders.tiff import TiffPage, read_tiff
from zoo_runtime.copied.pictures.picture import Picture
from zoo_runtime.tiff_strips import has_whole_strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_runtime.copied.decoders.header import Header

__all__ = ["decode_tiff"]

_EXTRA = 338  # ExtraSamples
_ANEW = "save it as an RGB or grey TIFF with LZW or no compression, for example by gdal_translate."


def decode_tiff(data: bytes, where: str) -> tuple[Header, Picture]:
    """Return the header and the pixels of a TIFF as stored.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: It is damaged or incomplete, or of a kind that zoo reads with rasterio.
    """
    page = read_tiff(data, where)
    check_size(where, "TIFF", page.header.width_px, page.header.height_px)
    page.check_whole()
    if not page.is_plain:
        raise undecodable(where, f"found {page.describe()}, expected a common kind", _ANEW)
    if page.bits <= 8 and not has_whole_strips(page):
        raise undecodable(where, "found a damaged TIFF (its strips lack pixels)")
    return page.header, _decode(page, where)


def _decode(page: TiffPage, where: str) -> Picture:
    pixels: NDArray[Any] = decode_by_opencv(_without_alpha(page), where)
    if page.bits <= 8:
        return Picture(pixels)
    if page.is_white_zero:
        pixels = 65535 - pixels
    is_there = None
    if page.missing is not None:
        missing = 65535 - page.missing if page.is_white_zero else page.missing
        is_there = pixels != missing if pixels.ndim == 2 else (pixels != missing).any(axis=2)
    return Picture(pixels, (), is_there)


def _without_alpha(page: TiffPage) -> bytes:
    """Return the file with a fourth band of no meaning: OpenCV multiplies colours by alpha."""
    data = page.as_stored()
    if page.directory.has_shorts(_EXTRA, 1) and page.extra != (0,):
        start = page.directory.entries[_EXTRA].start
        data = data[:start] + b"\0\0" + data[start + 2 :]
    return data
