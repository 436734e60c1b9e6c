# SPDX-License-Identifier: Apache-2.0
"""Draw tanks as a satellite sees them: wall, rim, roof, and shadows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo_oil_storage.canvas import SCALE, Canvas, Colour, Light, Points, Rng, circle, ribbon
from zoo_oil_storage.land import SHADE

__all__ = ["Paint", "Tank", "choose_paint", "draw_tank", "draw_tank_shadow", "outline_of"]

_SHELLS: tuple[Colour, ...] = (
    (226, 222, 210),
    (206, 198, 180),
    (178, 176, 172),
    (150, 124, 104),
    (128, 140, 128),
)
_DECKS: tuple[Colour, ...] = (
    (96, 90, 86),
    (140, 112, 92),
    (196, 186, 166),
    (72, 84, 92),
    (222, 218, 204),
)


@dataclass(frozen=True, slots=True)
class Paint:
    """The common properties of the tanks in a row.

    Args:
        shell: RGB of wall and fixed roof.
        deck: RGB of a floating roof.
        floating: Share of floating roofs.
    """

    shell: Colour
    deck: Colour
    floating: float


@dataclass(frozen=True, slots=True)
class Tank:
    """One tank.

    Args:
        centre: Centre of the foot, x and y in px.
        radius_px: Radius, at least 1.5.
        height_px: Height of the wall.
        paint: Colours.
        depth: Depth of a floating roof below the rim, as a share of the height; None for a fixed
            roof.
    """

    centre: Points
    radius_px: float
    height_px: float
    paint: Paint
    depth: float | None


def choose_paint(rng: Rng) -> Paint:
    """Return the colours of a row of tanks.

    Args:
        rng: Random generator.
    """
    tone = rng.uniform(0.88, 1.08)
    shell = np.asarray(_SHELLS[int(rng.choice(5, p=[0.4, 0.25, 0.15, 0.12, 0.08]))]) * tone
    deck = np.asarray(_DECKS[int(rng.integers(len(_DECKS)))]) * rng.uniform(0.85, 1.1)
    as_colour = [(float(c[0]), float(c[1]), float(c[2])) for c in (shell, deck)]
    return Paint(as_colour[0], as_colour[1], float(rng.choice([0.05, 0.5, 0.9])))


def outline_of(tank: Tank, light: Light) -> Points:
    """Return the visible outline of a tank, roof and wall, ``(n, 2)`` in px.

    Args:
        tank: The tank.
        light: Sun and satellite.
    """
    foot = circle(tank.centre, tank.radius_px, 64)
    both = np.concatenate([foot, foot + light.lean * tank.height_px]).astype(np.float32)
    return np.asarray(cv2.convexHull(both)[:, 0], np.float64)


def draw_tank_shadow(canvas: Canvas, tank: Tank, light: Light) -> None:
    """Darken the ground beside a tank.

    Args:
        canvas: The canvas.
        tank: The tank.
        light: Sun and satellite.
    """
    foot = circle(tank.centre, tank.radius_px, 64)
    both = np.concatenate([foot, foot + light.shadow * tank.height_px]).astype(np.float32)
    canvas.shade(cv2.convexHull(both)[:, 0].astype(np.float64), SHADE)


def draw_tank(canvas: Canvas, tank: Tank, light: Light) -> None:
    """Paint the wall and the roof of a tank.

    Args:
        canvas: The canvas.
        tank: The tank.
        light: Sun and satellite.
    """
    radius = tank.radius_px
    ground = circle(tank.centre, radius + 1.2, 64)
    canvas.fill(ground, (206, 198, 178), opacity=0.55)  # the ring foundation
    _draw_wall(canvas, tank, light)
    top = tank.centre + light.lean * tank.height_px
    rows, columns, _, _ = _grid(top, radius, canvas.size_px)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return  # the roof is outside the scene
    bright = _times(tank.paint.shell, 1.1)
    canvas.fill(circle(top, radius, 64), bright)
    if tank.depth is None:
        _draw_fixed_roof(canvas, tank, light, top)
    else:
        _draw_floating_roof(canvas, tank, light, top)


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(250.0, factor * value) for value in colour)
    return red, green, blue


def _draw_wall(canvas: Canvas, tank: Tank, light: Light) -> None:
    """Paint the wall in slices, each lit by its angle to the sun."""
    offset = light.lean * tank.height_px
    angles = np.linspace(0, 2 * np.pi, 33)
    for first, second in pairwise(angles):
        middle = (first + second) / 2
        facing = np.array([np.cos(middle), np.sin(middle)])
        if facing @ offset > 0:  # behind the roof
            continue
        ends = np.array([first - 0.05, second + 0.05])
        foot = tank.centre + tank.radius_px * np.stack([np.cos(ends), np.sin(ends)], axis=1)
        lit = 0.5 + 0.62 * max(0.0, float(facing @ light.sun))
        canvas.fill(np.concatenate([foot, (foot + offset)[::-1]]), _times(tank.paint.shell, lit))


def _grid(centre: Points, radius: float, size_px: int) -> tuple[slice, slice, Points, Points]:
    """Return the part of the canvas around a circle, and its x and y in radii."""
    low = np.clip(np.floor(centre - radius - 1), 0, size_px).astype(int) * SCALE
    high = np.clip(np.ceil(centre + radius + 1), 0, size_px).astype(int) * SCALE
    ys, xs = np.mgrid[low[1] : high[1], low[0] : high[0]]
    x = ((xs + 0.5) / SCALE - centre[0]) / radius
    y = ((ys + 0.5) / SCALE - centre[1]) / radius
    return slice(low[1], high[1]), slice(low[0], high[0]), x, y


def _edge(distance: Points, radius: float) -> NDArray[np.float32]:
    """Return 1 inside a circle and 0 outside, with a soft edge; distance in radii."""
    return np.clip((1 - distance) * radius * SCALE + 0.5, 0, 1).astype(np.float32)


def _draw_fixed_roof(canvas: Canvas, tank: Tank, light: Light, top: Points) -> None:
    rng, radius = canvas.rng, tank.radius_px
    rows, columns, x, y = _grid(top, radius, canvas.size_px)
    distance = np.hypot(x, y)
    towards = x * light.sun[0] + y * light.sun[1]
    slope = rng.uniform(0.06, 0.2)
    shade = 1 + slope * towards / np.maximum(distance, 0.25)
    if radius > 7:  # radial weld seams
        spokes = int(rng.integers(8, 20))
        shade -= 0.05 * (np.cos(np.arctan2(y, x) * spokes) > 0.93) * (distance > 0.15)
    shade += rng.normal(0, 0.012, x.shape)
    paint = np.asarray(tank.paint.shell, np.float32) * shade[..., None].astype(np.float32)
    cover = _edge(distance * radius / (radius - 0.6), radius)[..., None]
    part = canvas.pixels[rows, columns]
    part += cover * (paint - part)
    if radius > 4:
        vent = top + rng.normal(0, 0.04, 2) * radius
        canvas.fill(circle(vent, max(0.5, 0.07 * radius), 12), (120, 112, 100), opacity=0.7)
        turn = rng.uniform(0, 2 * np.pi)
        arm = np.array([np.cos(turn), np.sin(turn)])
        stair = np.stack([top + arm * radius * 0.55, top + arm * radius * 0.98])
        canvas.fill(ribbon(stair, 0.9), (110, 104, 94), opacity=0.6)


def _draw_floating_roof(canvas: Canvas, tank: Tank, light: Light, top: Points) -> None:
    """Paint a deck below the rim, part of it in the shadow of the wall."""
    rng, radius = canvas.rng, tank.radius_px
    rim_px = min(max(0.7, 0.05 * radius), 1.8)
    depth_px = (tank.depth or 0) * tank.height_px
    inner = radius - rim_px
    rows, columns, x, y = _grid(top, radius, canvas.size_px)
    distance = np.hypot(x, y) * radius / inner
    offset = light.shadow * depth_px / inner
    lit = np.hypot(x * radius / inner - offset[0], y * radius / inner - offset[1])
    light_share = _edge(lit, inner)[..., None]
    deck = np.asarray(tank.paint.deck, np.float32)
    spots = cv2.GaussianBlur(rng.normal(0, 1, x.shape).astype(np.float32), (0, 0), 3)
    paint = deck * (1 + 0.5 * spots[..., None])
    if radius > 8 and rng.random() < 0.6:  # pontoons at the edge, and a ring in the middle
        at = rng.uniform(0.35, 0.75)
        ring = (np.abs(distance - at) < 0.05)[..., None]
        paint = np.where(ring, paint * 1.25, paint)
    paint = paint * (light_share + (1 - light_share) * np.asarray(SHADE, np.float32))
    wall = np.asarray(tank.paint.shell, np.float32) * 0.62  # visible inside of the far wall
    seen = _edge(
        np.hypot(x - light.lean[0] * -depth_px / radius, y - light.lean[1] * -depth_px / radius)
        * radius
        / inner,
        inner,
    )[..., None]
    paint = paint * seen + wall * (1 - seen)
    cover = _edge(distance, inner)[..., None]
    part = canvas.pixels[rows, columns]
    part += cover * (paint.astype(np.float32) - part)
    if radius > 9:
        turn = rng.uniform(0, 2 * np.pi)
        arm = np.array([np.cos(turn), np.sin(turn)])
        ladder = np.stack([top + arm * inner, top + arm * inner * 0.25])
        canvas.fill(ribbon(ladder, 1.1), (176, 170, 158), opacity=0.8)
