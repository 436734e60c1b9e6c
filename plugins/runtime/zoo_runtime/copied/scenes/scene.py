# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.scenes.scene, by tools/runtime_copies.py.
"""A scene: an image of any size, read window by window, and its location."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zoo_runtime.copied.pictures.pixels import resize_image
from zoo_runtime.copied.scenes.windows import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_SHOWN_PX", "Georeference", "PixelScene", "Scene", "shown_size"]

MOST_SHOWN_PX = 8192  # per side; larger scenes are scaled down
_MOST_SHOWN_AREA_PX = 20_000_000  # the largest X-rays have 19.7 million
_REDUCED_AREA_PX = 12_000_000  # a PNG of about 18 MB


@dataclass(frozen=True, slots=True)
class Georeference:
    """The location of a raster.

    Args:
        crs: Name of the coordinate reference system, ``urn:ogc:def:crs:EPSG::32631`` or WKT.
        transform: a, b, c, d, e, f: ``x = a column + b row + c``, ``y = d column + e row + f``.
        wkt: The reference system.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    wkt: str


class Scene(Protocol):
    """An image of any size."""

    @property
    def width_px(self) -> int:
        """Its width."""

    @property
    def height_px(self) -> int:
        """Its height."""

    @property
    def georeference(self) -> Georeference | None:
        """Its location, if it states one."""

    def read(self, window: Window) -> NDArray[np.uint8] | None:
        """Return a window, ``(h, w)`` grey or ``(h, w, 3)`` RGB, or None if it has no data.

        Args:
            window: A window of the scene, in px of the scene.
        """

    def missing(self, window: Window) -> NDArray[np.bool_] | None:
        """Return which pixels of a window have no data, ``(h, w)``; None if all have some.

        Args:
            window: A window of the scene, in px of the scene.
        """

    def shown(self) -> NDArray[np.uint8]:
        """Return the whole scene for people to look at, at most of the size `shown_size`."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelScene:
    """A scene whose pixels are in memory."""

    pixels: NDArray[np.uint8]
    georeference: Georeference | None = None

    @property
    def width_px(self) -> int:
        """Its width."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Its height."""
        return int(self.pixels.shape[0])

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window as it is in memory.

        Args:
            window: A window of the scene, in px of the scene.
        """
        left, top = window.left_px, window.top_px
        part = self.pixels[top : top + window.height_px, left : left + window.width_px]
        return np.ascontiguousarray(part)

    def missing(self, window: Window) -> None:
        """Return None: every pixel has data.

        Args:
            window: A window of the scene, in px of the scene.
        """

    def shown(self) -> NDArray[np.uint8]:
        """Return the whole scene, or a smaller copy of it."""
        return resize_image(self.pixels, shown_size(self.width_px, self.height_px))


def shown_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return the width and height at which to show a scene, in px.

    Its own up to 20 megapixels and 8192 px per side; a larger one gets at most 12 megapixels.

    Args:
        width_px: Width of the scene.
        height_px: Height of the scene.
    """
    scale = min(1.0, MOST_SHOWN_PX / max(width_px, height_px))
    if width_px * height_px > _MOST_SHOWN_AREA_PX:
        scale = min(scale, math.sqrt(_REDUCED_AREA_PX / (width_px * height_px)))
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))
