# SPDX-License-Identifier: Apache-2.0
"""The label map of a scene with coordinates, as a Cloud Optimized GeoTIFF."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.decoders.raster import open_raster
from zoo.engine.scenes.blending import NO_LABEL
from zoo.engine.scenes.label_rows import release
from zoo.errors import DataError
from zoo.files import replacing_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.scene import Georeference

__all__ = ["read_label_raster", "write_label_raster"]

_BLOCK_PX = 512
_ROWS_PX = 4 * _BLOCK_PX  # read at once
_SETTINGS = {"GDAL_CACHEMAX": 64, "GDAL_PAM_ENABLED": "NO"}  # MiB; no files beside it


def write_label_raster(
    path: Path,
    labels: NDArray[np.uint8],
    palette: Sequence[Sequence[int]],
    place: Georeference,
) -> None:
    """Write labels as a tiled, compressed TIFF with overviews, part by part.

    Its colours are the palette; 255 is its nodata value. A pixel of an overview is the most
    frequent class of those that it stands for. It is made in a temporary folder (``TMPDIR``) and
    read back, because GDAL does not report every write that fails on a full disk.

    Args:
        path: The file; it is replaced when the new one is complete.
        labels: ``(H, W)`` class ids; may be a mapped file.
        palette: The RGB colour of each id.
        place: Location of the image.

    Raises:
        DataError: It cannot be written, for example on a full disk.
    """
    with replacing_file(path) as staged, tempfile.TemporaryDirectory(prefix="zoo-raster-") as name:
        plain, whole = Path(name, "plain.tif"), Path(name, "whole.tif")
        with _writing(path):
            _write_plain(plain, labels, palette, place)
            _optimize(plain, whole)
            _check_whole(whole, labels)
        plain.unlink()
        shutil.copyfile(whole, staged)


def read_label_raster(path: Path) -> NDArray[np.uint8]:
    """Return the class ids of a file of `write_label_raster`, ``(H, W)``.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read.
    """
    with open_raster(path, str(path), driver="GTiff") as raster:
        return np.asarray(raster.read(by_index=True), np.uint8)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Set GDAL up, whose errors become one of the file that it makes."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(**_SETTINGS):
            yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        reason = str(error.__cause__ or error).rstrip(".")  # that of rasterio only refers to it
        message = f"cannot write {path.name!r}: {reason}."
        hint = "free some space for temporary files, or choose their folder by TMPDIR."
        raise DataError(message, path=path, hint=hint) from error


def _write_plain(
    path: Path, labels: NDArray[np.uint8], palette: Sequence[Sequence[int]], place: Georeference
) -> None:
    import rasterio
    from affine import Affine
    from rasterio.windows import Window as RasterWindow

    height_px, width_px = labels.shape
    facts: Mapping[str, Any] = {
        "driver": "GTiff",
        "width": width_px,
        "height": height_px,
        "count": 1,
        "dtype": "uint8",
        "nodata": NO_LABEL,
        "crs": place.wkt,
        "transform": Affine(*place.transform),
        "compress": "deflate",
        "zlevel": 1,
        "tiled": True,
        "blockxsize": _BLOCK_PX,
        "blockysize": _BLOCK_PX,
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **facts) as dataset:
        for top in range(0, height_px, _ROWS_PX):
            rows = np.asarray(labels[top : top + _ROWS_PX])
            dataset.write(rows, 1, window=RasterWindow(0, top, width_px, len(rows)))
            release(labels)
        colors = {index: (*map(int, color), 255) for index, color in enumerate(palette)}
        dataset.write_colormap(1, {**colors, NO_LABEL: (0, 0, 0, 0)})


def _optimize(plain: Path, whole: Path) -> None:
    from rasterio.shutil import copy

    copy(
        str(plain),
        str(whole),
        driver="COG",
        compress="DEFLATE",
        blocksize=_BLOCK_PX,
        overview_resampling="MODE",
        bigtiff="IF_SAFER",
    )


def _check_whole(whole: Path, labels: NDArray[np.uint8]) -> None:
    """Raise OSError if a file does not hold the labels, or an overview cannot be read."""
    import rasterio
    from rasterio.windows import Window as RasterWindow

    height_px, width_px = labels.shape
    with rasterio.open(whole) as dataset:
        levels = len(dataset.overviews(1))
        for top in range(0, height_px, _ROWS_PX):
            rows = np.asarray(labels[top : top + _ROWS_PX])
            window = RasterWindow(0, top, width_px, len(rows))
            if not np.array_equal(dataset.read(1, window=window), rows):
                message = "it does not hold what was written, as on a full disk"
                raise OSError(message)
            release(labels)
    for level in range(levels):
        with rasterio.open(whole, overview_level=level) as dataset:
            for _, window in dataset.block_windows(1):
                dataset.read(1, window=window)
