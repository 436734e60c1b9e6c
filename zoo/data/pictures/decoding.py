# SPDX-License-Identifier: Apache-2.0
"""Decode images; used by both prepare and predict.

simplejpeg reads JPEG, OpenCV reads PNG and common 16-bit TIFF, Pillow reads common 8-bit TIFF and
BMP, and rasterio reads the rest. The content of the file decides, not what is installed: if its
decoder is missing, the file is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.data.decoders.faults import INSTALL_RASTERIO, check_size, undecodable
from zoo.data.decoders.header import Header
from zoo.data.decoders.jpeg import decode_jpeg
from zoo.data.decoders.opencv import decode_by_opencv
from zoo.data.decoders.pillow import decode_by_pillow
from zoo.data.decoders.png import to_plain_png
from zoo.data.decoders.raster import Raster, has_rasterio, open_raster
from zoo.data.decoders.tiff import TiffPage, read_tiff
from zoo.data.decoders.vrt import check_vrt
from zoo.data.pictures.formats import JP2_DRIVER, kind_of, read_header
from zoo.data.pictures.picture import Picture, tell_once
from zoo.data.source.reading import read_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BandChoice", "decode_picture", "read_picture"]

BandChoice = tuple[int, int, int] | None
_GREY_AND_ALPHA = 2


def decode_picture(
    data: bytes,
    where: str,
    *,
    palette: Literal["colors", "index"] = "colors",
    bands: BandChoice = None,
    upright: bool = True,
) -> Picture:
    """Decode a PNG, JPEG, TIFF, BMP or JPEG 2000 at its own bit depth.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.
        palette: Whether to return colours or indices of a palette.
        bands: Red, green and blue band of a TIFF or JPEG 2000, from 1, if the file does not name
            them.
        upright: Whether to apply a stated orientation.

    Raises:
        DataError: The file is empty, truncated, damaged, not an image or too large, has several
            pages or pixels other than unsigned 8 or 16 bits, or its decoder is not installed.
    """
    header = read_header(data, where)
    by_index = palette == "index"
    decode = _DECODERS[header.kind]
    picture = decode(data, where, header, by_index, bands)
    return picture.turned(header.orientation) if upright else picture


def read_picture(
    path: str | os.PathLike[str], *, bands: BandChoice = None, upright: bool = True
) -> Picture:
    """Read an image file, or a VRT, which refers to files next to it.

    Notes on how it was read are logged, each only once.

    Args:
        path: A regular file.
        bands: See :func:`decode_picture`.
        upright: See :func:`decode_picture`.

    Raises:
        DataError: See :func:`decode_picture`; or the file cannot be opened.
    """
    path = Path(path)
    data = read_file(path)
    if kind_of(data[:1024]) != "VRT":
        picture = decode_picture(data, str(path), bands=bands, upright=upright)
    else:
        check_vrt(path)
        with open_raster(path, str(path), driver="VRT", bands=bands) as raster:
            picture = _read_whole(raster, "VRT", by_index=False)
    tell_once(path.name, picture.notes)
    return picture


def _decode_png(
    data: bytes, where: str, header: Header, by_index: bool, bands: BandChoice
) -> Picture:
    plain, factor = to_plain_png(data, by_index=by_index)
    pixels = decode_by_opencv(plain, where)
    if factor > 1:
        pixels //= factor
    # OpenCV expands grey with transparency to three channels.
    is_repeated = header.channels == _GREY_AND_ALPHA and pixels.ndim == 3
    return Picture(_first(pixels) if is_repeated else pixels)


def _first(pixels: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    return np.ascontiguousarray(pixels[..., 0])


def _decode_jpeg(
    data: bytes, where: str, header: Header, by_index: bool, bands: BandChoice
) -> Picture:
    return Picture(decode_jpeg(data, where, header))


def _decode_bmp(
    data: bytes, where: str, header: Header, by_index: bool, bands: BandChoice
) -> Picture:
    return Picture(decode_by_pillow(data, where, header.kind, by_index=by_index))


def _decode_tiff(
    data: bytes, where: str, header: Header, by_index: bool, bands: BandChoice
) -> Picture:
    page = read_tiff(data, where)
    if page.is_plain and (bands is None or header.channels == 1):
        return _decode_plain(page, by_index=by_index)
    if not has_rasterio():
        fault = f"found {page.describe()}, which needs rasterio, which is not installed"
        raise undecodable(where, fault, INSTALL_RASTERIO)
    with open_raster(data, where, driver="GTiff", bands=bands) as raster:
        return _read_whole(raster, "TIFF", by_index=by_index)


def _decode_plain(page: TiffPage, *, by_index: bool) -> Picture:
    notes = ("band 4 dropped",) if page.drops_fourth else ()
    data = page.as_stored()
    if page.bits <= 8:
        return Picture(decode_by_pillow(data, page.where, "TIFF", by_index=by_index), notes)
    pixels = decode_by_opencv(data, page.where)  # Pillow does not support 16-bit colours
    if page.is_white_zero:
        pixels = 65535 - pixels
    is_there = None
    if page.missing is not None:
        missing = 65535 - page.missing if page.is_white_zero else page.missing
        is_there = pixels != missing if pixels.ndim == 2 else (pixels != missing).any(axis=2)
    return Picture(pixels, notes, is_there)


def _decode_jp2(
    data: bytes, where: str, header: Header, by_index: bool, bands: BandChoice
) -> Picture:
    with open_raster(data, where, driver=JP2_DRIVER, bands=bands) as raster:
        return _read_whole(raster, header.kind, by_index=by_index)


def _read_whole(raster: Raster, kind: str, *, by_index: bool) -> Picture:
    check_size(raster.where, kind, raster.width_px, raster.height_px)
    pixels = raster.read(by_index=by_index)
    there = raster.is_there() if raster.is_deep and raster.states_missing else None
    return Picture(pixels, raster.bands.notes, there)


_DECODERS: dict[str, Callable[[bytes, str, Header, bool, BandChoice], Picture]] = {
    "PNG": _decode_png,
    "JPEG": _decode_jpeg,
    "TIFF": _decode_tiff,
    "BMP": _decode_bmp,
    "JPEG 2000": _decode_jp2,
}
