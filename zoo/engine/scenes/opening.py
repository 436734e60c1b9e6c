# SPDX-License-Identifier: Apache-2.0
"""Scenes, read window by window: images in memory, and large or georeferenced TIFFs on disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import read_picture, to_uint8
from zoo.data.decoders.faults import MOST_PX
from zoo.data.pictures.decoding import BandChoice
from zoo.data.pictures.formats import kind_of
from zoo.data.source.reading import open_file
from zoo.engine.scenes.arrays import as_picture
from zoo.engine.scenes.raster import RASTER_DRIVERS, find_raster, read_georeference
from zoo.engine.scenes.scene import Georeference, PixelScene, Scene

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_georeference", "open_scene"]

_MOST_DECODED_PX = MOST_PX


@contextlib.contextmanager
def open_scene(
    image: str | os.PathLike[str] | NDArray[Any], *, bands: BandChoice = None
) -> Iterator[Scene]:
    """Open a scene to read windows of it.

    TIFF, JPEG 2000 and VRT files are read window by window with rasterio, an extra; everything
    else is decoded at once, as is a TIFF if rasterio is not installed. 16-bit pixels are converted
    to 8-bit with :func:`zoo.data.to_uint8`, by one rule for the whole scene.

    Args:
        image: A path; or an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit.
        bands: The red, green and blue bands of a raster, counted from 1, if it does not name them.

    Raises:
        DataError: The file cannot be read, is incomplete, or has pixels of another kind.
    """
    if isinstance(image, np.ndarray):
        yield PixelScene(to_uint8(as_picture(image)))
        return
    path = Path(image)
    with open_file(path) as stream:
        kind = kind_of(stream.read(1024))
    if kind in RASTER_DRIVERS:
        with find_raster(path, kind, most_px=_MOST_DECODED_PX, bands=bands) as raster:
            if raster is not None:
                yield raster
                return
    yield PixelScene(read_picture(path, bands=bands).to_uint8())


def find_georeference(image: str | os.PathLike[str] | NDArray[Any]) -> Georeference | None:
    """Return the location of an image, if it is a file that states one and rasterio is installed.

    Args:
        image: A path, or an array, which has no location.
    """
    if isinstance(image, np.ndarray):
        return None
    path = Path(image)
    with open_file(path) as stream:
        kind = kind_of(stream.read(1024))
    if kind not in RASTER_DRIVERS:
        return None
    return read_georeference(path, kind, most_px=_MOST_DECODED_PX)
