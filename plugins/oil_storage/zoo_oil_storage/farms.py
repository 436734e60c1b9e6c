# SPDX-License-Identifier: Apache-2.0
"""Draw tank farms: a pad, rows of tanks behind walls, pipes and a surrounding road."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from zoo_oil_storage.canvas import Canvas, Colour, Light, Points, Rng, ribbon
from zoo_oil_storage.land import SHADE, box_at
from zoo_oil_storage.tanks import Tank, choose_paint

__all__ = ["Farm", "draw_farm", "plan_farm"]

_LARGEST_PX = 100.0


@dataclass(frozen=True, slots=True)
class Farm:
    """A tank farm.

    Args:
        centre: x and y in px.
        sides: Sides along and across the rows, in px.
        angle: Angle of the rows, in radians.
        tanks: Tanks, in no order.
        bunds: Centre and sides of each walled part.
    """

    centre: Points
    sides: Points
    angle: float
    tanks: tuple[Tank, ...]
    bunds: tuple[tuple[Points, Points], ...]

    @property
    def reach_px(self) -> float:
        """Distance from the centre to the farthest corner."""
        return float(np.hypot(*self.sides)) / 2 + 12


def _draw_diameter(rng: Rng) -> float:
    """Return a diameter in px, mostly small as in the Airbus scenes (median 18)."""
    return float(np.clip(np.exp(rng.normal(np.log(21), 0.6)), 5, _LARGEST_PX))


def plan_farm(rng: Rng, centre: Points, width_px: float, height_px: float) -> Farm:
    """Return a farm with similar tanks in each row.

    Args:
        rng: Random generator.
        centre: x and y in px.
        width_px: Approximate side along the rows.
        height_px: Approximate side across the rows.
    """
    angle = rng.uniform(0, np.pi)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tanks: list[Tank] = []
    bunds: list[tuple[Points, Points]] = []
    y = -height_px / 2
    while True:
        diameter = min(_draw_diameter(rng), 0.7 * width_px)
        pitch = diameter * rng.uniform(1.3, 1.75) + 2
        if y + pitch > height_px / 2 and tanks:
            break
        columns = max(1, int(width_px * rng.uniform(0.75, 1) / pitch))
        paint = choose_paint(rng)
        left = -columns * pitch / 2
        for column in range(columns):
            if rng.random() < 0.07 and columns > 1:
                continue
            place = np.array([left + (column + 0.5) * pitch, y + pitch / 2])
            place += rng.normal(0, 0.03 * diameter, 2)
            radius = diameter / 2 * rng.uniform(0.93, 1.0)
            depth = rng.uniform(0.1, 0.95) if rng.random() < paint.floating else None
            height = float(np.clip(radius * rng.uniform(0.55, 1.2), 2, 15))
            kind = paint if rng.random() < 0.8 else choose_paint(rng)
            tanks.append(Tank(place @ axes + centre, radius, height, kind, depth))
            if diameter > 34:
                bunds.append(
                    (
                        np.array([left + (column + 0.5) * pitch, y + pitch / 2]),
                        np.full(2, pitch - 3),
                    )
                )
        if diameter <= 34:
            bunds.append((np.array([0, y + pitch / 2]), np.array([columns * pitch + 2, pitch - 1])))
        y += pitch + 3
    sides = np.array([width_px + 26, max(height_px, y + height_px / 2) + 26])
    walls = tuple((place @ axes + centre, size) for place, size in bunds)
    return Farm(np.asarray(centre), sides, angle, tuple(tanks), walls)


def draw_farm(canvas: Canvas, farm: Farm, light: Light, ground: Colour) -> None:
    """Paint a farm without its tanks.

    Args:
        canvas: The canvas.
        farm: The farm.
        light: Sun and satellite.
        ground: RGB of the ground.
    """
    rng = canvas.rng
    pad = box_at(farm.centre, farm.sides, farm.angle)
    cover = canvas.cover([pad], soft_px=1.5)
    tone = np.asarray(ground, np.float32) * rng.uniform(0.88, 1.05)
    soil = tone + 8 * canvas.noise(18)[..., None] + 7 * canvas.noise(3)[..., None]
    canvas.blend(cover * 0.94, soil.astype(np.float32))
    closed = np.concatenate([pad, pad[:1]])
    for first, second in pairwise(closed):
        canvas.fill(ribbon(np.stack([first, second]), 6), (176, 166, 144), opacity=0.8)
    grassy = rng.random() < 0.4
    for centre, sides in farm.bunds:
        floor = box_at(centre, sides - 2, farm.angle)
        tint: Colour = (112, 116, 82) if grassy else (188, 178, 154)
        canvas.fill(floor, tint, opacity=0.35)
        _draw_wall_around(canvas, box_at(centre, sides, farm.angle), light)
    for _ in range(int(rng.integers(2, 6))):
        _draw_pipe(canvas, farm)


def _draw_wall_around(canvas: Canvas, corners: Points, light: Light) -> None:
    closed = np.concatenate([corners, corners[:1]])
    for first, second in pairwise(closed):
        line = np.stack([first, second])
        canvas.shade(ribbon(line + light.shadow * 1.1, 1.4), SHADE)
        canvas.fill(ribbon(line, 1.1), (214, 206, 186), opacity=0.9)


def _draw_pipe(canvas: Canvas, farm: Farm) -> None:
    rng = canvas.rng
    axes = np.array(
        [[np.cos(farm.angle), np.sin(farm.angle)], [-np.sin(farm.angle), np.cos(farm.angle)]]
    )
    low, high = -farm.sides / 2 + 6, farm.sides / 2 - 6
    start = rng.uniform(low, high)
    end = start.copy()
    axis = int(rng.integers(2))
    end[axis] = rng.uniform(low[axis], high[axis])
    line = np.stack([start, end]) @ axes + farm.centre
    canvas.fill(ribbon(line, float(rng.uniform(0.6, 1.8))), (150, 144, 132), opacity=0.8)
