# SPDX-License-Identifier: Apache-2.0
"""Files that are more than a picture: coordinates, missing data, or too large for memory."""

from __future__ import annotations

import contextlib
import logging
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import Window, to_uint8
from zoo.data.decoders.faults import INSTALL_RASTERIO
from zoo.data.decoders.raster import Raster, explaining, has_rasterio, open_raster
from zoo.data.decoders.tiff import TiffPage, read_tiff
from zoo.data.decoders.vrt import check_vrt
from zoo.data.pictures.decoding import BandChoice
from zoo.data.pictures.depth import limits_of_counts
from zoo.data.pictures.formats import JP2_DRIVER
from zoo.data.pictures.picture import tell_once
from zoo.data.source.reading import open_file
from zoo.engine.scenes.scene import Georeference, shown_size
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RASTER_DRIVERS", "find_raster", "read_georeference"]

_LOG = logging.getLogger("zoo")
RASTER_DRIVERS = {"TIFF": "GTiff", "JPEG 2000": JP2_DRIVER, "VRT": "VRT"}
# EPSG has latitude first; GDAL and QGIS name longitude-first systems as RFC 7946 does.
_WGS84, _LONGITUDE_FIRST = 4326, "urn:ogc:def:crs:OGC:1.3:CRS84"
_MOST_SCENE_PX = 2**36  # a quarter of a million windows of 512 px


@contextlib.contextmanager
def find_raster(
    path: Path, kind: str, *, most_px: int, bands: BandChoice = None
) -> Iterator[_RasterScene | None]:
    """Open a file as a raster, or return None for a TIFF to decode as a picture.

    That is a TIFF to rotate, which coordinates do not account for; one in ink colours (CMYK),
    which GDAL rounds differently; and any TIFF if rasterio is not installed.

    Args:
        path: The file.
        kind: One of ``RASTER_DRIVERS``.
        most_px: A TIFF with more pixels than this is not decoded at once.
        bands: See :func:`zoo.data.pictures.decoding.decode_picture`.

    Raises:
        DataError: It is damaged, has pixels of another kind, or is too large without rasterio.
    """
    page = _read_page(path) if kind == "TIFF" else None
    if kind == "TIFF" and not has_rasterio():
        _check_plain(path, page, most_px)
        yield None
        return
    if page is not None and _is_picture(page, most_px):
        yield None
        return
    if kind == "VRT":
        check_vrt(path)
    _tell_beside(path)
    with open_raster(path, str(path), driver=RASTER_DRIVERS[kind], bands=bands) as raster:
        tell_once(path.name, raster.bands.notes)
        yield _RasterScene(raster)


def read_georeference(path: Path, kind: str, *, most_px: int) -> Georeference | None:
    """Return the location of a file that was read as a picture, without reading its pixels again.

    Args:
        path: The file.
        kind: One of ``RASTER_DRIVERS``.
        most_px: A TIFF with more pixels than this is not decoded at once.
    """
    page = _read_page(path) if kind == "TIFF" else None
    if not has_rasterio() or (page is not None and _is_picture(page, most_px)):
        return None
    if kind == "VRT":
        check_vrt(path)
    with open_raster(path, str(path), driver=RASTER_DRIVERS[kind]) as raster:
        return _georeference(raster.dataset)


def _tell_beside(path: Path) -> None:
    """Report files beside a raster that only other tools read for its location."""
    names = (f"{path.name}.aux.xml", f"{path.name}.msk", f"{path.stem}.tfw")
    beside = [name for name in names if path.with_name(name).exists()]
    if beside:
        text = "%s is read without %s: gdal_translate makes one file of them, if you trust them."
        _LOG.warning(text, path.name, ", ".join(beside))


def _read_page(path: Path) -> TiffPage | None:
    """Return the first page of a TIFF, or None if decoding will refuse it."""
    with open_file(path) as stream, contextlib.suppress(DataError, ValueError):
        # Its pages may be gigabytes apart: read only what is needed.
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return read_tiff(data, str(path))
    return None


def _is_picture(page: TiffPage, most_px: int) -> bool:
    """Return whether a TIFF that can be decoded is rotated, or in ink colours."""
    header = page.header
    is_special = header.orientation != 1 or (page.is_cmyk and page.is_plain)
    return is_special and header.width_px * header.height_px <= most_px


def _check_plain(path: Path, page: TiffPage | None, most_px: int) -> None:
    """Report what a TIFF loses without rasterio, or refuse it."""
    if page is None:
        return
    header = page.header
    if header.width_px * header.height_px > most_px:
        size = f"{header.width_px}x{header.height_px}"
        message = f"cannot read {path.name!r}: {size} px are read in windows only."
        raise DataError(message, path=path, hint=INSTALL_RASTERIO)
    if page.has_coordinates:
        text = "the coordinates of %s are left out: rasterio is not installed; %s"
        _LOG.warning(text, path.name, INSTALL_RASTERIO)


class _RasterScene:
    """A scene on disk, as rasterio reads it."""

    def __init__(self, raster: Raster) -> None:
        self.width_px = raster.width_px
        self.height_px = raster.height_px
        self._raster = raster
        if self.width_px * self.height_px > _MOST_SCENE_PX:
            path = Path(raster.where)
            message = f"cannot read {path.name!r}: it has {self.width_px}x{self.height_px} px, "
            message += f"expected at most {_MOST_SCENE_PX} pixels."
            raise DataError(message, path=path, hint="cut out the part that matters.")
        self._limits = limits_of_counts(raster.count_values()) if raster.is_deep else None
        with explaining(raster.where, "open"):
            self.georeference = _georeference(raster.dataset)

    def read(self, window: Window) -> NDArray[np.uint8] | None:
        """Return a window, or None if all its data is missing."""
        place = _place_of(window)
        if not self._raster.is_there(window=place).any():
            return None
        return self._as_picture(window=place)

    def missing(self, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels of a window have no data, or None if all have some."""
        there = self._raster.is_there(window=_place_of(window))
        return None if there.all() else ~there

    def shown(self) -> NDArray[np.uint8]:
        """Return the whole scene, or a smaller copy of it."""
        from rasterio.enums import Resampling

        width, height = shown_size(self.width_px, self.height_px)
        method = Resampling.nearest if self._raster.has_colors else Resampling.average
        size = (len(self._raster.bands.numbers), height, width)
        return self._as_picture(out_shape=size, resampling=method)

    def _as_picture(self, **how: Any) -> NDArray[np.uint8]:
        return np.ascontiguousarray(to_uint8(self._raster.read(**how), self._limits), np.uint8)


def _place_of(window: Window) -> Any:
    from rasterio.windows import Window as RasterWindow

    return RasterWindow(window.left_px, window.top_px, window.width_px, window.height_px)


def _georeference(dataset: Any) -> Georeference | None:
    crs = dataset.crs
    if crs is None or dataset.transform.is_identity:  # a system without a location in it
        return None
    epsg = crs.to_epsg()
    name = f"urn:ogc:def:crs:EPSG::{epsg}" if epsg else crs.to_wkt()
    if epsg == _WGS84:
        name = _LONGITUDE_FIRST
    a, b, c, d, e, f = (float(value) for value in tuple(dataset.transform)[:6])
    return Georeference(name, (a, b, c, d, e, f), crs.to_wkt())
