# SPDX-License-Identifier: Apache-2.0
"""Scenes, read window by window: pictures in memory, and large or georeferenced TIFFs on disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.data import Window, read_picture, resize_image, to_uint8
from zoo.data.decoders.faults import MOST_PX
from zoo.data.pictures.decoding import BandChoice
from zoo.data.pictures.formats import kind_of
from zoo.data.source.reading import open_file
from zoo.engine.scenes.arrays import as_picture
from zoo.engine.scenes.raster import RASTER_DRIVERS, find_raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.raster import Georeference

__all__ = ["MOST_SHOWN_PX", "Scene", "open_scene", "shown_size"]

MOST_SHOWN_PX = 8192  # of a side; larger scenes are drawn smaller
_MOST_DECODED_PX = MOST_PX


class Scene(Protocol):
    """A picture of any size."""

    @property
    def width_px(self) -> int:
        """Its width."""

    @property
    def height_px(self) -> int:
        """Its height."""

    @property
    def georeference(self) -> Georeference | None:
        """Where it lies, if it says so."""

    def read(self, window: Window) -> NDArray[np.uint8] | None:
        """Return a part, ``(h, w)`` grey or ``(h, w, 3)`` RGB, or None where it has no data."""

    def shown(self) -> NDArray[np.uint8]:
        """Return the whole for people to look at, no side above ``MOST_SHOWN_PX``."""


@dataclass(frozen=True, slots=True, eq=False)
class _PixelScene:
    """A scene whose pixels are in memory."""

    pixels: NDArray[np.uint8]
    georeference: Georeference | None = None

    @property
    def width_px(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        return int(self.pixels.shape[0])

    def read(self, window: Window) -> NDArray[np.uint8]:
        left, top = window.left_px, window.top_px
        part = self.pixels[top : top + window.height_px, left : left + window.width_px]
        return np.ascontiguousarray(part)

    def shown(self) -> NDArray[np.uint8]:
        return resize_image(self.pixels, shown_size(self.width_px, self.height_px))


@contextlib.contextmanager
def open_scene(
    image: str | os.PathLike[str] | NDArray[Any], *, bands: BandChoice = None
) -> Iterator[Scene]:
    """Open a scene to read windows of it.

    A TIFF, a JPEG 2000 and a VRT are read window by window by rasterio, an extra; everything else
    is decoded at once, and a TIFF too where rasterio is not installed. 16-bit pixels become 8-bit
    by :func:`zoo.data.to_uint8`, by one rule for the whole scene.

    Args:
        image: A path; or an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit.
        bands: Those of a raster that are red, green and blue, from 1, where it does not name them.

    Raises:
        DataError: The file cannot be read, is not whole, or has pixels of another kind.
    """
    if isinstance(image, np.ndarray):
        yield _PixelScene(to_uint8(as_picture(image)))
        return
    path = Path(image)
    with open_file(path) as stream:
        kind = kind_of(stream.read(1024))
    if kind in RASTER_DRIVERS:
        with find_raster(path, kind, most_px=_MOST_DECODED_PX, bands=bands) as raster:
            if raster is not None:
                yield raster
                return
    yield _PixelScene(read_picture(path, bands=bands).to_uint8())


def shown_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the width and height at which a scene is shown."""
    scale = min(1.0, MOST_SHOWN_PX / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))
