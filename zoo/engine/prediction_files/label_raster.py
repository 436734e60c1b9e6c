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
    frequent class of those that it stands for.

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
        with _writing():
            _write_plain(plain, labels, palette, place)
            _optimize(plain, whole)
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
def _writing() -> Iterator[None]:
    """Set GDAL up, whose errors become those of the system."""
    import rasterio
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with rasterio.Env(**_SETTINGS):
            yield
    except (RasterioError, CPLE_BaseError) as error:
        raise OSError(str(error)) from error


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
