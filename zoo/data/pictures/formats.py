# SPDX-License-Identifier: Apache-2.0
"""Detect the format and size of an image, and whether its file is complete."""

from __future__ import annotations

from zoo.data.decoders.faults import check_size, undecodable
from zoo.data.decoders.header import Header
from zoo.data.decoders.jpeg import JPEG_START, read_jpeg
from zoo.data.decoders.pillow import BMP_START, read_bmp
from zoo.data.decoders.png import PNG_START, read_png
from zoo.data.decoders.raster import open_raster
from zoo.data.decoders.tiff import read_tiff
from zoo.data.decoders.tiff_tags import TIFF_STARTS
from zoo.data.decoders.vrt import is_vrt

__all__ = ["JP2_DRIVER", "check_whole", "kind_of", "read_header"]

JP2_DRIVER = "JP2OpenJPEG"
_JP2_STARTS = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_KNOWN = "expected PNG, JPEG, TIFF or BMP"
_EXPORT = "export it as one of these."


def kind_of(start: bytes) -> str | None:
    """Return the format of an image from the start of its file, or None if unknown.

    Args:
        start: At least the first 1024 bytes, or all of a smaller file.
    """
    if start.startswith(PNG_START):
        return "PNG"
    if start.startswith(JPEG_START):
        return "JPEG"
    if start[:4] in TIFF_STARTS:
        return "TIFF"
    if start.startswith(BMP_START):
        return "BMP"
    if start.startswith(_JP2_STARTS):
        return "JPEG 2000"
    return "VRT" if is_vrt(start) else None


def read_header(data: bytes, where: str) -> Header:
    """Return size and orientation of an image, and check the file without decoding it.

    PNG: every chunk with its checksum, up to the end chunk. JPEG: the markers up to the first
    scan, and the end marker. TIFF: one page whose strips or tiles are all in the file
    (reduced-size copies, such as GeoTIFF overviews, and masks do not count). BMP: the header.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: The file is empty, not an image, truncated or damaged, or has several pages or
            more than 16384x16384 pixels.
    """
    kind = kind_of(data[:1024])
    if kind == "PNG":
        return read_png(data, where)
    if kind == "JPEG":
        return read_jpeg(data, where)
    if kind == "BMP":
        return read_bmp(data, where)
    if kind == "TIFF":
        page = read_tiff(data, where)
        check_size(where, "TIFF", page.header.width_px, page.header.height_px)
        page.check_whole()
        return page.header
    if kind == "JPEG 2000":
        with open_raster(data, where, driver=JP2_DRIVER) as raster:
            check_size(where, kind, raster.width_px, raster.height_px)
            return Header(kind, raster.width_px, raster.height_px, raster.dataset.count)
    raise _unknown(data, where, kind)


def check_whole(data: bytes, where: str) -> None:
    """Refuse an incomplete file, whatever its pixel type: TIFF pixels may be floats.

    Args:
        data: All bytes of the file.
        where: How error messages name the file.

    Raises:
        DataError: See :func:`read_header`.
    """
    if kind_of(data[:1024]) == "TIFF":
        read_tiff(data, where, any_pixels=True).check_whole()
    else:
        read_header(data, where)


def _unknown(data: bytes, where: str, kind: str | None) -> Exception:
    if kind == "VRT":
        fault = "found a VRT, which names other files, expected one file"
        return undecodable(where, fault, "gdal_translate IN.vrt OUT.tif makes one file of it.")
    if not data:
        return undecodable(where, f"found an empty file, {_KNOWN}")
    if data[128:132] == b"DICM":
        hint = "export it as one of them, or use a model whose plugin reads DICOM."
        return undecodable(where, f"found a DICOM file, {_KNOWN}", hint)
    return undecodable(where, f"found a file that starts with {data[:8]!r}, {_KNOWN}", _EXPORT)
