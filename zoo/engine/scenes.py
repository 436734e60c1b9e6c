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

from zoo.data import Window, decode_image, resize_image, to_uint8
from zoo.engine.arrays import as_picture
from zoo.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.rasters import Georeference

__all__ = ["MOST_SHOWN_PX", "Scene", "open_scene", "shown_size"]

MOST_SHOWN_PX = 8192  # of a side; larger scenes are drawn smaller
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# OpenCV decodes no more pixels than this, and a decoded TIFF would fill the memory before.
_MOST_DECODED_PX = 100_000_000


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
def open_scene(image: str | os.PathLike[str] | NDArray[Any]) -> Iterator[Scene]:
    """Open a scene to read windows of it.

    A TIFF is read window by window where rasterio is installed, an extra; everything else is
    decoded at once. 16-bit pixels become 8-bit by :func:`zoo.data.to_uint8`, by one rule for the
    whole scene.

    Args:
        image: A path; or an array, ``(H, W)`` grey or ``(H, W, 3)`` RGB, 8 or 16 bit.

    Raises:
        DataError: The file cannot be read, is not whole, or has pixels of another kind.
    """
    if isinstance(image, np.ndarray):
        yield _PixelScene(to_uint8(as_picture(image)))
        return
    path = Path(image)
    if _is_tiff(path):
        from zoo.engine.rasters import find_raster

        with find_raster(path, most_px=_MOST_DECODED_PX) as raster:
            if raster is not None:
                yield raster
                return
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read {path.name!r}: {error.strerror}."
        raise DataError(message, path=path) from error
    yield _PixelScene(to_uint8(decode_image(data, str(path))))


def shown_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the width and height at which a scene is shown."""
    scale = min(1.0, MOST_SHOWN_PX / max(width_px, height_px))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) in _TIFF
    except OSError:
        return False  # reading it says why
