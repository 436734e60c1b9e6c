# SPDX-License-Identifier: Apache-2.0
"""TIFFs that are more than a picture: coordinates, missing data, or more pixels than fit."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import Window, to_uint8
from zoo.data.images import CONVERT, find_limits
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Georeference", "find_raster"]

_LOG = logging.getLogger("zoo")
_INSTALL = 'pip install "mmzoo[geo]".'
_REPLACE = "replace the file with an intact copy."
_ORIENTATION = 274
# EPSG gives latitude first; GDAL and QGIS name what lies longitude first as RFC 7946 does.
_WGS84, _LONGITUDE_FIRST = 4326, "urn:ogc:def:crs:OGC:1.3:CRS84"
_GEO_TAGS = frozenset({33550, 33922, 34264, 34735})  # scale, tie points, matrix, keys
_CACHE_MIB = 128  # GDAL would keep a twentieth of the memory
_SAMPLED_PX = 2048  # of a side, for the range of 16-bit values
_EIGHT_OR_SIXTEEN = {"uint8", "uint16"}


@dataclass(frozen=True, slots=True)
class Georeference:
    """Where a raster lies.

    Args:
        crs: Name of the coordinate reference system, ``urn:ogc:def:crs:EPSG::32631`` or WKT.
        transform: a, b, c, d, e, f: ``x = a column + b row + c``, ``y = d column + e row + f``.
        metres_per_unit: Of a projected system, else None.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    metres_per_unit: float | None

    @property
    def pixel_area_m2(self) -> float | None:
        """The area of a pixel on the ground, None where units are degrees."""
        if self.metres_per_unit is None:
            return None
        a, b, _, d, e, _ = self.transform
        return abs(a * e - b * d) * self.metres_per_unit**2


@contextlib.contextmanager
def find_raster(path: Path, *, most_px: int) -> Iterator[_RasterScene | None]:
    """Open a TIFF as a raster, or give None where rasterio is not installed and it can be decoded.

    Args:
        path: The file.
        most_px: Of more pixels than this no TIFF is decoded at once.

    Raises:
        DataError: It is damaged, has pixels of another kind, or is too large without rasterio.
    """
    try:
        import rasterio
    except ImportError:
        _check_plain(path, most_px)
        yield None
        return
    from rasterio.errors import NotGeoreferencedWarning

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB))
        with _explaining(path, "open"):
            dataset = stack.enter_context(rasterio.open(path))
            # GDAL leaves a picture as it is stored, which is how coordinates take it.
            is_turned = dataset.crs is None and _is_turned(path, most_px)
            raster = None if is_turned else _RasterScene(path, dataset)
        yield raster


@contextlib.contextmanager
def _explaining(path: Path, what: str) -> Iterator[None]:
    """Raise as DataError what rasterio and GDAL say of a damaged file."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    # rasterio passes on some of GDAL's errors as they are, and decodes texts that are none.
    except (RasterioError, CPLE_BaseError, ValueError, MemoryError) as error:
        message = f"cannot {what} {path.name!r}: {_reason(error)}."
        raise DataError(message, path=path, hint=_REPLACE) from error


def _is_turned(path: Path, most_px: int) -> bool:
    """Return whether a TIFF that can be decoded states another orientation than it is stored in."""
    size, tags = _read_header(path)
    return tags.get(_ORIENTATION, 1) != 1 and size[0] * size[1] <= most_px


def _check_plain(path: Path, most_px: int) -> None:
    """Say what a TIFF loses without rasterio, or refuse it."""
    size, tags = _read_header(path)
    if size[0] * size[1] > most_px:
        message = f"cannot read {path.name!r}: {size[0]}x{size[1]} px are read in windows only."
        raise DataError(message, path=path, hint=_INSTALL)
    if _GEO_TAGS & set(tags):
        text = "%s has coordinates, which are left out: rasterio is not installed; %s"
        _LOG.warning(text, path.name, _INSTALL)


def _read_header(path: Path) -> tuple[tuple[int, int], Mapping[int, Any]]:
    """Return width, height and tags of a TIFF; zeros and none of what decoding will refuse."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            return image.size, dict(getattr(image, "tag_v2", {}))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return (0, 0), {}


class _RasterScene:
    """A scene on disk, as rasterio reads it."""

    def __init__(self, path: Path, dataset: Any) -> None:
        self.width_px: int = dataset.width
        self.height_px: int = dataset.height
        self._path = path
        self._dataset = dataset
        self._check()
        self._bands = _bands(dataset)
        self._colors = _colors(dataset)
        tags = dataset.tags(ns="IMAGE_STRUCTURE")
        self._is_inverted = self._colors is None and tags.get("MINISWHITE") == "YES"
        self._limits = self._find_limits()
        self.georeference = _georeference(dataset)

    def read(self, window: Window) -> NDArray[np.uint8] | None:
        """Return a part, missing data black, or None where all is missing."""
        from rasterio.windows import Window as RasterWindow

        place = RasterWindow(window.left_px, window.top_px, window.width_px, window.height_px)
        is_there = self._ask("dataset_mask", window=place) > 0
        return self._as_picture(is_there, window=place) if is_there.any() else None

    def shown(self) -> NDArray[np.uint8]:
        """Return the whole, or a smaller copy of it."""
        from rasterio.enums import Resampling

        from zoo.engine.scenes import shown_size

        width, height = shown_size(self.width_px, self.height_px)
        is_there = self._ask("dataset_mask", out_shape=(height, width)) > 0
        # Of a palette's numbers there is no mean.
        method = Resampling.average if self._colors is None else Resampling.nearest
        size = (len(self._bands), height, width)
        return self._as_picture(is_there, out_shape=size, resampling=method)

    def _as_picture(self, is_there: NDArray[np.bool_], **how: Any) -> NDArray[np.uint8]:
        pixels = self._ask("read", self._bands, **how)
        if self._colors is not None:
            pixels = np.moveaxis(self._colors[pixels[0]], 2, 0)
        pixels = to_uint8(pixels, self._limits)
        pixels = (255 - pixels if self._is_inverted else pixels) * is_there
        picture = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
        return np.ascontiguousarray(picture, np.uint8)

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> NDArray[Any]:
        with _explaining(self._path, "read"):
            pixels: NDArray[Any] = getattr(self._dataset, method)(*args, **kwargs)
        return pixels

    def _check(self) -> None:
        kinds, pages = set(self._dataset.dtypes), len(self._dataset.subdatasets)
        if pages > 1 or not kinds:
            message = f"cannot read {self._path.name!r}: found {pages} pages, expected one."
            hint = "gdal_translate GTIFF_DIR:1:FILE OUT.tif takes the first."
            raise DataError(message, path=self._path, hint=hint)
        if not kinds <= _EIGHT_OR_SIXTEEN:
            found = ", ".join(sorted(kinds))
            message = f"cannot read {self._path.name!r}: found {found} pixels, "
            message += "expected uint8 or uint16."
            raise DataError(message, path=self._path, hint=CONVERT)

    def _find_limits(self) -> tuple[int, int] | None:
        """Return the range of 16-bit values where there is data, by a sample of the rows."""
        if self._dataset.dtypes[0] == "uint8":
            return None
        shape = (min(self.height_px, _SAMPLED_PX), min(self.width_px, _SAMPLED_PX))
        pixels = self._ask("read", self._bands, out_shape=(len(self._bands), *shape))
        is_there = self._ask("dataset_mask", out_shape=shape) > 0
        return find_limits(pixels[:, is_there]) if is_there.any() else (0, 1)


def _bands(dataset: Any) -> list[int]:
    """Return the bands that make a picture, from 1: one of grey, or red, green and blue."""
    if dataset.count < 3:
        return [1]
    names = [interpretation.name for interpretation in dataset.colorinterp]
    if {"red", "green", "blue"} <= set(names):
        return [names.index(color) + 1 for color in ("red", "green", "blue")]
    return [1, 2, 3]


def _colors(dataset: Any) -> NDArray[np.uint8] | None:
    """Return ``(256, 3)`` colours of a palette's numbers, None where pixels are no numbers."""
    if dataset.count > 1 or dataset.colorinterp[0].name != "palette":
        return None
    table = np.zeros((2**16 if dataset.dtypes[0] == "uint16" else 256, 3), np.uint8)
    for index, color in dataset.colormap(1).items():
        table[index] = color[:3]
    return table


def _georeference(dataset: Any) -> Georeference | None:
    crs = dataset.crs
    if crs is None or dataset.transform.is_identity:  # a system, and no place in it
        return None
    epsg = crs.to_epsg()
    name = f"urn:ogc:def:crs:EPSG::{epsg}" if epsg else crs.to_wkt()
    if epsg == _WGS84:
        name = _LONGITUDE_FIRST
    metres = float(crs.linear_units_factor[1]) if crs.is_projected else None
    a, b, c, d, e, f = (float(value) for value in tuple(dataset.transform)[:6])
    return Georeference(name, (a, b, c, d, e, f), metres)


def _reason(error: BaseException) -> str:
    """Return GDAL's own words, which rasterio chains to an error that says less."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
