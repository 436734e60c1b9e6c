# SPDX-License-Identifier: Apache-2.0
"""The transparency, or other last band, of an image as an image."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from zoo.data.decoders.faults import INSTALL_RASTERIO, undecodable
from zoo.data.decoders.opencv import load_cv2
from zoo.data.decoders.png import find_chunk, to_plain_png
from zoo.data.decoders.raster import has_rasterio, open_raster
from zoo.data.pictures.formats import JP2_DRIVER, read_header
from zoo.data.pictures.turning import turn_upright

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.decoders.header import Header

    Alpha = NDArray[np.uint8 | np.uint16]

__all__ = ["read_alpha"]

_WITH_ALPHA = (2, 4)  # grey or colour plus one band
_PALETTE = 3
_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": JP2_DRIVER}


def read_alpha(data: bytes, where: str) -> Alpha | None:
    """Return the upright ``(H, W)`` uint8 or uint16 transparency, or None without one.

    Args:
        data: All bytes of a decodable file.
        where: How error messages name the file.

    Raises:
        DataError: It has more than four bands, or the last one cannot be read.
    """
    header = read_header(data, where)
    if header.channels > max(_WITH_ALPHA):
        fault = f"found {header.channels} bands, expected one value or one colour per pixel"
        raise undecodable(where, fault, "export it as grey or RGB, with one band or three.")
    if header.kind == "PNG":
        found = _read_png(data, header)
    elif header.channels not in _WITH_ALPHA:
        return None
    elif header.kind in _DRIVERS and has_rasterio():
        found = _read_raster(data, where, header)
    else:
        return _read_by_pillow(data, where, header)
    return None if found is None else turn_upright(found, header.orientation)


def _read_png(data: bytes, header: Header) -> Alpha | None:
    import numpy as np

    cv2 = load_cv2()
    is_palette = data[25] == _PALETTE
    table = find_chunk(data, b"tRNS") if is_palette else None
    if table is None and header.channels not in _WITH_ALPHA:
        return None
    plain, factor = to_plain_png(data, by_index=is_palette)
    stored = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
    if table is None:
        alpha: Alpha = stored[..., -1]
        return alpha
    opaque = np.full(256, 255, np.uint8)
    opaque[: len(table)] = np.frombuffer(table, np.uint8)
    seen: Alpha = opaque[stored // factor]
    return seen


def _read_raster(data: bytes, where: str, header: Header) -> Alpha | None:
    with open_raster(data, where, driver=_DRIVERS[header.kind]) as raster:
        if "SOURCE_COLOR_SPACE" in raster.dataset.tags(ns="IMAGE_STRUCTURE"):
            return None  # CMYK, which GDAL converts to colours
        band: Alpha = raster.dataset.read(raster.dataset.count)
        return band


def _read_by_pillow(data: bytes, where: str, header: Header) -> Alpha | None:
    """Return the last 8-bit band, oriented upright by Pillow."""
    try:
        import numpy as np
        from PIL import Image

        with Image.open(BytesIO(data)) as picture:
            bands, bits = picture.getbands(), getattr(picture, "tag_v2", {}).get(258, (8,))
            if picture.mode == "CMYK" or (header.kind == "BMP" and "A" not in bands):
                return None
            fits = len(bands) == header.channels and set(bits) == {8}
            alpha: Alpha | None = np.asarray(picture)[..., -1] if fits else None
    except (ImportError, OSError, ValueError, SyntaxError):
        alpha = None
    if alpha is None:
        fault = "found a band of transparency, which needs rasterio, which is not installed"
        raise undecodable(where, fault, INSTALL_RASTERIO)
    return alpha
