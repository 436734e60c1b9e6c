# SPDX-License-Identifier: Apache-2.0
"""Read rasters with rasterio, completely or in windows, as 8- or 16-bit images."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.data.decoders.faults import CONVERT, INSTALL_RASTERIO, undecodable
from zoo.data.decoders.raster_bands import Bands, choose_bands
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Raster", "check_source", "explaining", "has_rasterio", "open_raster", "opened_dataset"]

_REPLACE = "replace the file with an intact copy."
_EIGHT_OR_SIXTEEN = {"uint8", "uint16"}
_MOST_BLOCK_BYTES = 2**31  # limit of the blocks to unpack for one window
_COUNTED_PX = 2**22  # pixels read at a time to count 16-bit values
_SETTINGS = {
    "GDAL_CACHEMAX": 128,  # MiB; the default is 5 % of the memory
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_HTTP_MAX_RETRY": 0,
    # Read no sidecar files such as a.tif.aux.xml, a.tif.ovr, a.tif.msk: GDAL accepts any format
    # there, and follows their references to any path and over the network.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/vsicurl/none",
}
_DRIVERS = {"GTiff": "a TIFF", "JP2OpenJPEG": "a JPEG 2000", "VRT": "a VRT"}
# rasterio's name for a file passed as bytes.
_IN_MEMORY_NAME = re.compile(r"\S*[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[^\s:,]*[:,]? ?")


def has_rasterio() -> bool:
    """Return whether rasterio can be imported."""
    try:
        _load_rasterio()
    except ImportError:
        return False
    return True


def _load_rasterio() -> Any:
    """Return the module, with warnings for images without coordinates disabled."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    # Permanently: temporary filters are unreliable with threads.
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    return rasterio


@contextlib.contextmanager
def open_raster(
    file: str | os.PathLike[str] | bytes,
    where: str,
    *,
    driver: str,
    bands: tuple[int, int, int] | None = None,
) -> Iterator[Raster]:
    """Open a raster to read all or part of it.

    Args:
        file: A path, or all bytes of the file.
        where: How error messages name the file.
        driver: The only GDAL driver to use: ``GTiff``, ``JP2OpenJPEG`` or ``VRT``.
        bands: See :func:`zoo.data.decoders.raster_bands.choose_bands`.

    Raises:
        DataError: rasterio is not installed, or the file is damaged or not an image.
    """
    with opened_dataset(file, where, driver=driver) as dataset:
        with explaining(where, "open"):
            raster = Raster(dataset, where, bands)
        yield raster


@contextlib.contextmanager
def opened_dataset(
    file: str | os.PathLike[str] | bytes, where: str, *, driver: str
) -> Iterator[Any]:
    """Open a raster with rasterio under zoo's settings, whatever its pixels are.

    Args:
        file: A path, or all bytes of the file.
        where: How error messages name the file.
        driver: The only GDAL driver to use: ``GTiff``, ``JP2OpenJPEG`` or ``VRT``.

    Raises:
        DataError: rasterio is not installed, or the file is damaged or not an image.
    """
    try:
        rasterio = _load_rasterio()
    except ImportError as error:
        found = _DRIVERS[driver]
        message = f"cannot read {_name(where)!r}: found {found}, which needs rasterio, which is "
        message += "not installed."
        raise DataError(message, path=where, hint=INSTALL_RASTERIO) from error
    from rasterio.io import MemoryFile

    with contextlib.ExitStack() as stack:
        stack.enter_context(rasterio.Env(**_SETTINGS))
        with explaining(where, "open"):
            if isinstance(file, bytes):
                memory = stack.enter_context(MemoryFile(file))
                dataset = stack.enter_context(memory.open(driver=driver))
            else:
                # Absolute, so that no part of a name is read as a scheme.
                path = os.path.abspath(file)
                dataset = stack.enter_context(rasterio.open(path, driver=driver))
        yield dataset


def check_source(path: str | os.PathLike[str], driver: str) -> None:
    """Refuse a source of a VRT that is damaged or refers to another file.

    Args:
        path: Path of the source.
        driver: GDAL driver of its format.

    Raises:
        DataError: It is damaged or refers to another file.
    """
    where = os.path.abspath(path)
    rasterio = _load_rasterio()
    with (
        rasterio.Env(**_SETTINGS),
        explaining(where, "open"),
        rasterio.open(where, driver=driver) as dataset,
    ):
        _check_alone(dataset, where)


def _check_alone(dataset: Any, where: str) -> None:
    """Refuse a file whose metadata refers to another file that GDAL would read instead."""
    names = [key.casefold() for key in dataset.tags(ns="OVERVIEWS")]
    if "overview_file" in names:
        fault = "found the name of another file in it, for its overviews, expected one file"
        hint = "gdal_translate IN.tif OUT.tif removes the name."
        raise undecodable(where, fault, hint)


@contextlib.contextmanager
def explaining(where: str, what: str) -> Iterator[None]:
    """Convert errors of rasterio and GDAL for damaged files to DataError.

    Args:
        where: How error messages name the file.
        what: The failed action: ``open`` or ``read``.
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        yield
    # rasterio passes some errors of GDAL through, and fails to decode invalid texts.
    except (RasterioError, CPLE_BaseError, ValueError, MemoryError, OverflowError) as error:
        message = f"cannot {what} {_name(where)!r}: {_reason(error)}."
        raise DataError(message, path=where, hint=_REPLACE) from error


class Raster:
    """An open raster.

    Args:
        dataset: The open dataset of rasterio.
        where: How error messages name the file.
        asked: Bands chosen by the user.

    Raises:
        DataError: It has several pages, pixels other than unsigned 8 or 16 bits, or blocks that are
            too large, or it lacks the chosen bands.
    """

    def __init__(self, dataset: Any, where: str, asked: tuple[int, int, int] | None) -> None:
        self.dataset = dataset
        self.where = where
        self.width_px: int = dataset.width
        self.height_px: int = dataset.height
        self._check()
        colors = [interpretation.name for interpretation in dataset.colorinterp]
        names = [name or "" for name in dataset.descriptions]
        self.bands = choose_bands(colors, names, asked, where)
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        if "SOURCE_COLOR_SPACE" in structure:  # GDAL converts CMYK to RGBA; nothing is dropped
            self.bands = Bands(self.bands.numbers)
        self._bits = self._count_bits()
        self._is_inverted = structure.get("MINISWHITE") == "YES" and dataset.count == 1
        # GDAL adds palettes to inverted grey and to black and white.
        is_grey = self._is_inverted or (self._bits == 1 and _is_bilevel(dataset))
        self._colors = None if is_grey else _read_colors(dataset)

    @property
    def is_deep(self) -> bool:
        """Whether its samples have 16 bits."""
        return bool(self.dataset.dtypes[0] == "uint16") and self._colors is None

    @property
    def has_colors(self) -> bool:
        """Whether its samples are palette indices, which cannot be averaged."""
        return self._colors is not None

    def read(self, *, by_index: bool = False, **how: Any) -> NDArray[np.uint8 | np.uint16]:
        """Return pixels.

        Args:
            by_index: Whether to return indices of a palette instead of colours.
            how: Arguments of rasterio's ``read``: ``window``, ``out_shape``, ``resampling``.

        Returns:
            ``(H, W)`` grey or ``(H, W, 3)`` RGB; samples of fewer than 8 bits are stretched to 255.

        Raises:
            DataError: The file is damaged there.
        """
        import numpy as np

        pixels = self._ask("read", list(self.bands.numbers), **how)
        if self._colors is not None:
            colors: NDArray[np.uint8] = pixels[0] if by_index else self._colors[pixels[0]]
            return colors
        if self._is_inverted:
            pixels = pixels.dtype.type(2**self._bits - 1) - pixels
        if self._bits < 8:
            pixels = pixels * np.uint8(255 // (2**self._bits - 1))
        picture = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2)
        return np.ascontiguousarray(picture)

    def is_there(self, **how: Any) -> NDArray[np.bool_]:
        """Return an ``(H, W)`` mask of valid data, from a nodata value, a mask or an alpha band."""
        import numpy as np

        masks = self._ask("read_masks", list(self.bands.numbers), **how)
        return np.asarray((masks > 0).any(axis=0))

    @property
    def states_missing(self) -> bool:
        """Whether a nodata value or a mask marks missing data; transparency does not count."""
        from rasterio.enums import MaskFlags

        flags = self.dataset.mask_flag_enums[self.bands.numbers[0] - 1]
        return MaskFlags.all_valid not in flags and MaskFlags.alpha not in flags

    def count_values(self) -> NDArray[np.int64]:
        """Return the count of each 16-bit value, without missing data.

        Raises:
            DataError: The file is damaged.
        """
        import numpy as np

        counts = np.zeros(2**16, np.int64)
        for window in self._windows():
            pixels = self.read(window=window)
            if self.states_missing:
                pixels = pixels[self.is_there(window=window)]
            counts += np.bincount(pixels.ravel(), minlength=2**16)
        return counts

    def _windows(self) -> Iterator[Any]:
        """Yield windows that cover the raster and read few blocks twice."""
        from rasterio.windows import Window

        rows, columns = self.dataset.block_shapes[0]
        width = self.width_px if columns == self.width_px else min(self.width_px, 2048)
        height = max(1, _COUNTED_PX // width) // rows * rows or rows
        for top in range(0, self.height_px, height):
            for left in range(0, self.width_px, width):
                size = min(width, self.width_px - left), min(height, self.height_px - top)
                yield Window(left, top, *size)

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> NDArray[Any]:
        with explaining(self.where, "read"):
            pixels: NDArray[Any] = getattr(self.dataset, method)(*args, **kwargs)
        return pixels

    def _check(self) -> None:
        _check_alone(self.dataset, self.where)
        kinds, pages = set(self.dataset.dtypes), len(self.dataset.subdatasets)
        name = _name(self.where)
        if pages > 1 or not kinds:
            message = f"cannot read {name!r}: found {pages} pages, expected one."
            hint = "gdal_translate GTIFF_DIR:1:FILE OUT.tif takes the first."
            raise DataError(message, path=self.where, hint=hint)
        if len(kinds) > 1 or not kinds <= _EIGHT_OR_SIXTEEN:
            found = ", ".join(sorted(kinds))
            message = f"cannot read {name!r}: found {found} pixels, expected uint8 or uint16."
            raise DataError(message, path=self.where, hint=CONVERT)
        rows, columns = self.dataset.block_shapes[0]
        if rows * columns * self.dataset.count * 2 > _MOST_BLOCK_BYTES:
            fault = f"found blocks of {columns}x{rows} px and {self.dataset.count} bands"
            hint = "gdal_translate -co TILED=YES IN.tif OUT.tif writes smaller ones."
            raise undecodable(self.where, fault, hint)

    def _count_bits(self) -> int:
        deep = 16 if self.dataset.dtypes[0] == "uint16" else 8
        stated: str = self.dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", "")
        return int(stated) if stated.isdigit() and 0 < int(stated) < deep else deep


def _is_bilevel(dataset: Any) -> bool:
    """Return whether a 1-bit palette is black and white, which GDAL adds to grey."""
    if dataset.count > 1 or dataset.colorinterp[0].name != "palette":
        return False
    black, white = (0, 0, 0, 255), (255, 255, 255, 255)
    return [*dataset.colormap(1).values()] in ([black, white], [white, black])


def _read_colors(dataset: Any) -> NDArray[np.uint8] | None:
    """Return the ``(K, 3)`` colours of a palette, or None without one."""
    import numpy as np

    if dataset.count > 1 or dataset.colorinterp[0].name != "palette":
        return None
    table = np.zeros((2**16 if dataset.dtypes[0] == "uint16" else 256, 3), np.uint8)
    for index, color in dataset.colormap(1).items():
        table[index] = color[:3]
    return table


def _name(where: str) -> str:
    return where.replace("!", "/").rsplit("/", 1)[-1]


def _reason(error: BaseException) -> str:
    """Return GDAL's message, which rasterio chains to a less specific error."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return _IN_MEMORY_NAME.sub("", text)
