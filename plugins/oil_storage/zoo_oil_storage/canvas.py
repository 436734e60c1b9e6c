# SPDX-License-Identifier: Apache-2.0
"""A picture that is painted larger than it is kept, in px of the final one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SCALE", "Canvas", "Colour", "Light", "Points", "Rng", "circle", "ribbon"]

SCALE = 2  # canvas px for each final px
_FRACTION = 4  # bits of a pixel that OpenCV takes as part of a coordinate

Colour = tuple[float, float, float]
Points = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Light:
    """Where the sun and the satellite stand, the same for all of a scene.

    Args:
        sun: Unit vector (x, y) that points to the sun on the ground.
        shadow_px: Length of the shadow of what is 1 px high.
        lean: Offset (x, y) in px of a point that is 1 px high, as the satellite looks askew.
    """

    sun: Points
    shadow_px: float
    lean: Points

    @property
    def shadow(self) -> Points:
        """Offset (x, y) in px of the shadow of a point that is 1 px high."""
        return -self.sun * self.shadow_px


class Canvas:
    """RGB float32 in 0..255, ``SCALE`` times the size of the scene.

    Args:
        size_px: Height and width of the scene.
        rng: Of the scene.
    """

    def __init__(self, size_px: int, rng: Rng) -> None:
        self.size_px = size_px
        self.rng = rng
        self.pixels = np.zeros((size_px * SCALE, size_px * SCALE, 3), np.float32)
        self.water: NDArray[np.bool_] = np.zeros((size_px * SCALE, size_px * SCALE), bool)

    def noise(
        self, cell_px: float, *, stretch: tuple[float, float] = (1, 1)
    ) -> NDArray[np.float32]:
        """Return smooth noise of unit variance and mean 0, one bump each ``cell_px``."""
        side = self.size_px
        cells = [max(2, round(side / cell_px / factor) + 2) for factor in stretch]
        coarse = self.rng.normal(0, 1, (cells[1], cells[0])).astype(np.float32)
        target = (side * SCALE, side * SCALE)
        smooth = cv2.resize(coarse, target, interpolation=cv2.INTER_CUBIC)
        return np.asarray(smooth, np.float32)

    def is_dry(self, place: Points, reach_px: float) -> bool:
        """Return whether a place is land, and what lies around it."""
        ring = np.concatenate([np.asarray(place)[None], circle(place, reach_px, 8)])
        columns, rows = np.clip(ring * SCALE, 0, self.water.shape[0] - 1).astype(int).T
        return not self.water[rows, columns].any()

    def cover(self, outlines: Sequence[Points], soft_px: float = 0) -> NDArray[np.float32]:
        """Return ``(H, W)`` in 0..1: how much of each canvas pixel the outlines cover."""
        mask = np.zeros(self.pixels.shape[:2], np.uint8)
        points = [_to_fixed(outline) for outline in outlines]
        cv2.fillPoly(mask, points, 255, cv2.LINE_AA, _FRACTION)
        if soft_px:
            mask = cv2.GaussianBlur(mask, (0, 0), soft_px * SCALE)
        return np.asarray(mask, np.float32) / np.float32(255)

    def blend(self, cover: NDArray[np.float32], paint: Colour | NDArray[np.float32]) -> None:
        """Lay a colour, or a picture of the canvas's size, over the canvas."""
        colour = np.asarray(paint, np.float32)
        self.pixels += cover[..., None] * (colour - self.pixels)

    def fill(self, outline: Points, paint: Colour, *, opacity: float = 1.0) -> None:
        """Fill one outline with one colour, touching its own part of the canvas alone."""
        rows, columns, moved = self._clip(outline)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        cv2.fillPoly(mask, [_to_fixed(moved)], 255, cv2.LINE_AA, _FRACTION)
        part = self.pixels[rows, columns]
        cover = (mask.astype(np.float32) * (opacity / 255))[..., None]
        part += cover * (np.asarray(paint, np.float32) - part)

    def shade(self, outline: Points, factor: Colour) -> None:
        """Darken what an outline covers, by a factor for each channel."""
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
    # From edges to centres of pixels: canvas x = scale * x - 0.5.
    return np.asarray(np.rint((outline * SCALE - 0.5) * 2**_FRACTION), np.int32)


def circle(centre: Points, radius_px: float, points: int = 48) -> Points:
    """Return the outline of a circle, ``(points, 2)``."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.asarray(centre) + radius_px * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def ribbon(path: Points, width_px: float) -> Points:
    """Return the outline of a path of some width, ``(2n, 2)``."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * width_px / 2
    return np.concatenate([path + across, (path - across)[::-1]])
