# SPDX-License-Identifier: Apache-2.0
"""A canvas larger than the final image, in px of the final image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALE", "Canvas", "Colour", "Light", "Points", "Rng", "circle", "ribbon"]

SCALE = 2  # canvas px per final px
_FRACTION = 4  # fractional bits of OpenCV's coordinates

Colour = tuple[float, float, float]
Points = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Light:
    """The position of sun and satellite, equal for the whole scene.

    Args:
        sun: Unit vector (x, y) on the ground towards the sun.
        shadow_px: Length of the shadow of an object 1 px high.
        lean: Offset (x, y) in px of a point 1 px high, from the oblique view of the satellite.
    """

    sun: Points
    shadow_px: float
    lean: Points

    @property
    def shadow(self) -> Points:
        """Offset (x, y) in px of the shadow of a point 1 px high."""
        return -self.sun * self.shadow_px


class Canvas:
    """RGB float32 in 0..255, ``SCALE`` times the size of the scene.

    Args:
        size_px: Height and width of the scene.
        rng: Random generator of the scene.
    """

    def __init__(self, size_px: int, rng: Rng) -> None:
        self.size_px = size_px
        self.rng = rng
        self.pixels = np.zeros((size_px * SCALE, size_px * SCALE, 3), np.float32)
        self.water: NDArray[np.bool_] = np.zeros((size_px * SCALE, size_px * SCALE), bool)

    def noise(
        self, cell_px: float, *, stretch: tuple[float, float] = (1, 1)
    ) -> NDArray[np.float32]:
        """Return smooth noise of unit variance and mean 0.

        Args:
            cell_px: Size of a bump.
            stretch: Factors of the size in x and y.
        """
        side = self.size_px
        cells = [max(2, round(side / cell_px / factor) + 2) for factor in stretch]
        coarse = self.rng.normal(0, 1, (cells[1], cells[0])).astype(np.float32)
        target = (side * SCALE, side * SCALE)
        smooth = cv2.resize(coarse, target, interpolation=cv2.INTER_CUBIC)
        return np.asarray(smooth, np.float32)

    def is_dry(self, place: Points, reach_px: float) -> bool:
        """Return whether a place and its surroundings are land.

        Args:
            place: x and y in px.
            reach_px: Radius of the surroundings.
        """
        ring = np.concatenate([np.asarray(place)[None], circle(place, reach_px, 8)])
        columns, rows = np.clip(ring * SCALE, 0, self.water.shape[0] - 1).astype(int).T
        return not self.water[rows, columns].any()

    def cover(self, outlines: Sequence[Points], soft_px: float = 0) -> NDArray[np.float32]:
        """Return ``(H, W)`` in 0..1, the covered share of each canvas pixel.

        Args:
            outlines: ``(n, 2)`` each, in px.
            soft_px: Blur of the edges.
        """
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        points = [_to_fixed(outline) for outline in outlines]
        cv2.fillPoly(mask, points, 255, cv2.LINE_AA, _FRACTION)
        if soft_px:
            mask = cv2.GaussianBlur(mask, (0, 0), soft_px * SCALE)
        return np.asarray(mask, np.float32) / np.float32(255)

    def blend(self, cover: NDArray[np.float32], paint: Colour | NDArray[np.float32]) -> None:
        """Blend a colour or an image over the canvas.

        Args:
            cover: ``(H, W)`` opacity in 0..1.
            paint: RGB, or an image of the canvas's size.
        """
        colour = np.asarray(paint, np.float32)
        self.pixels += cover[..., None] * (colour - self.pixels)

    def fill(self, outline: Points, paint: Colour, *, opacity: float = 1.0) -> None:
        """Fill an outline with a colour, changing only its part of the canvas.

        Args:
            outline: ``(n, 2)`` in px.
            paint: RGB.
            opacity: 0 to 1.
        """
        rows, columns, moved = self._clip(outline)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        cv2.fillPoly(mask, [_to_fixed(moved)], 255, cv2.LINE_AA, _FRACTION)
        part = self.pixels[rows, columns]
        cover = (mask.astype(np.float32) * (opacity / 255))[..., None]
        part += cover * (np.asarray(paint, np.float32) - part)

    def shade(self, outline: Points, factor: Colour) -> None:
        """Darken the area of an outline.

        Args:
            outline: ``(n, 2)`` in px.
            factor: Factor of each channel.
        """
        rows, columns, moved = self._clip(outline)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        cv2.fillPoly(mask, [_to_fixed(moved)], 255, cv2.LINE_AA, _FRACTION)
        soft = cv2.GaussianBlur(mask, (0, 0), 0.6 * SCALE).astype(np.float32)[..., None] / 255
        self.pixels[rows, columns] *= 1 - soft * (1 - np.asarray(factor, np.float32))

    def _clip(self, outline: Points) -> tuple[slice, slice, Points]:
        low = np.floor(outline.min(axis=0)).astype(int) - 2
        high = np.ceil(outline.max(axis=0)).astype(int) + 3
        left, top = np.clip(low, 0, self.size_px)
        right, bottom = np.clip(high, 0, self.size_px)
        rows = slice(int(top) * SCALE, int(bottom) * SCALE)
        return rows, slice(int(left) * SCALE, int(right) * SCALE), outline - [left, top]


def _to_fixed(outline: Points) -> NDArray[np.int32]:
    # From pixel edges to pixel centres: canvas x = scale * x - 0.5.
    return np.asarray(np.rint((outline * SCALE - 0.5) * 2**_FRACTION), np.int32)


def circle(centre: Points, radius_px: float, points: int = 48) -> Points:
    """Return the outline of a circle, ``(points, 2)``.

    Args:
        centre: x and y in px.
        radius_px: Radius.
        points: Number of points.
    """
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.asarray(centre) + radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ribbon(path: Points, width_px: float) -> Points:
    """Return the outline of a path with a width, ``(2n, 2)``.

    Args:
        path: ``(n, 2)`` in px.
        width_px: Width.
    """
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * width_px / 2
    return np.concatenate([path + across, (path - across)[::-1]])
