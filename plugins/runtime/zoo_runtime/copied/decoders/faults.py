# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.data.decoders.faults, by tools/runtime_copies.py.
"""Errors for images that cannot be read, with consistent wording."""

from __future__ import annotations

from zoo_runtime.errors import DataError

__all__ = [
    "CONVERT",
    "INSTALL_RASTERIO",
    "MOST_PX",
    "check_size",
    "truncated",
    "undecodable",
]

# 16384 x 16384; a 16-bit colour image of that size takes 1.6 GB.
MOST_PX = 2**28
# For images and for masks, whose values must not be stretched.
CONVERT = (
    "gdal_translate -ot UInt16 IN.tif OUT.tif keeps whole values of 0 to 65535; "
    "-ot Byte -scale stretches any values to 8 bits."
)
INSTALL_RASTERIO = 'pip install "mmzoo[geo]".'
_REPLACE = "replace the file with an intact copy, or remove it from the source."
_CUT = "cut it into images of at most 16384x16384 px."


def undecodable(where: str, fault: str, hint: str = _REPLACE) -> DataError:
    """Return the error for an image that cannot be read.

    Args:
        where: The file, or archive and entry separated by ``!``.
        fault: ``found ..., expected ...``.
        hint: One thing to do.
    """
    name = where.replace("!", "/").rsplit("/", 1)[-1]
    return DataError(f"cannot decode {name!r}: {fault}.", path=where, hint=hint)


def truncated(kind: str, size_bytes: int) -> str:
    """Return the fault of a truncated file.

    Args:
        kind: Format of the file, such as ``PNG``.
        size_bytes: Size of the file.
    """
    return f"found a truncated {kind} of {size_bytes} bytes, expected a complete one"


def check_size(where: str, kind: str, width_px: int, height_px: int) -> None:
    """Refuse an image without pixels, or with more pixels than allowed.

    Args:
        where: How error messages name the file.
        kind: Format of the file, such as ``PNG``.
        width_px: Width that its header states.
        height_px: Height that its header states.

    Raises:
        DataError: It has no pixels, or more than ``MOST_PX``.
    """
    if width_px < 1 or height_px < 1:
        fault = f"found a damaged {kind} of {width_px}x{height_px} px, expected one pixel or more"
        raise undecodable(where, fault)
    if width_px * height_px > MOST_PX:
        fault = f"found a {kind} of {width_px}x{height_px} px, expected at most {MOST_PX} pixels"
        raise undecodable(where, fault, _CUT)
