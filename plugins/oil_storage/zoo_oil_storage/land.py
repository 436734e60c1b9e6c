# SPDX-License-Identifier: Apache-2.0
"""Draw synthetic aerial views: fields, a shore, roads, houses, trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo_oil_storage.canvas import Canvas, Colour, Light, Points, circle, ribbon

__all__ = ["CLIMATES", "SHADE", "Climate", "box_at", "draw_houses", "draw_land", "draw_trees"]

SHADE: Colour = (0.34, 0.38, 0.47)  # without direct sunlight, only light of the sky


@dataclass(frozen=True, slots=True)
class Climate:
    """The colours of a kind of land.

    Args:
        fields: RGB of fields.
        ground: RGB of bare ground, also around tanks.
        tree: RGB of crowns.
        trees: Number of trees in a scene of 768 px.
    """

    fields: tuple[Colour, ...]
    ground: Colour
    tree: Colour
    trees: int


CLIMATES = (
    Climate(
        ((118, 112, 74), (92, 104, 62), (150, 128, 94), (132, 108, 80), (80, 94, 60)),
        (172, 154, 124),
        (44, 58, 40),
        260,
    ),
    Climate(
        ((178, 158, 124), (164, 146, 116), (188, 170, 138), (152, 136, 106)),
        (194, 178, 148),
        (84, 88, 62),
        50,
    ),
    Climate(
        ((82, 96, 62), (98, 112, 70), (116, 118, 80), (128, 112, 86), (70, 84, 58)),
        (156, 148, 130),
        (36, 54, 34),
        420,
    ),
)


def draw_land(canvas: Canvas, climate: Climate) -> None:
    """Paint fields, sometimes a shore, and roads.

    Args:
        canvas: The canvas.
        climate: Colours.
    """
    rng = canvas.rng
    _draw_fields(canvas, climate)
    if rng.random() < 0.45:
        _draw_water(canvas)
    for _ in range(int(rng.integers(2, 5))):
        _draw_road(canvas, float(rng.choice([4.0, 6.0, 9.0])))


def _draw_fields(canvas: Canvas, climate: Climate) -> None:
    rng, side = canvas.rng, canvas.size_px
    canvas.pixels[:] = climate.fields[0]
    angle = rng.uniform(0, np.pi)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.full(2, side / 2)
    for low, high in _split_field(canvas, np.full(2, -0.75 * side), np.full(2, 0.75 * side), 0):
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])]) @ axes + centre
        if (corners.max(axis=0) < 0).any() or (corners.min(axis=0) > side).any():
            continue
        base = np.asarray(climate.fields[int(rng.integers(len(climate.fields)))])
        tone = tuple(float(value) for value in base * rng.uniform(0.88, 1.12) + rng.normal(0, 2, 3))
        canvas.fill(corners, (tone[0], tone[1], tone[2]))
        if rng.random() < 0.4:
            _draw_furrows(canvas, low, high, axes, centre)
    rough = 8 * canvas.noise(40) + 6 * canvas.noise(9) + 8 * canvas.noise(2.5)
    canvas.pixels += rough[..., None] * np.array([1, 0.95, 0.8], np.float32)


def _split_field(
    canvas: Canvas, low: Points, high: Points, depth: int
) -> list[tuple[Points, Points]]:
    """Return rectangles that fill the given one, split repeatedly across the longer side."""
    rng, extent = canvas.rng, high - low
    if extent.max() < 60 or depth > 9 or (extent.max() < 170 and rng.random() < 0.3):
        return [(low + 0.7, high - 0.7)]
    axis = int(extent.argmax())
    at = low[axis] + extent[axis] * rng.uniform(0.32, 0.68)
    first_high, second_low = high.copy(), low.copy()
    first_high[axis] = second_low[axis] = at
    halves = ((low, first_high), (second_low, high))
    return [part for half in halves for part in _split_field(canvas, *half, depth + 1)]


def _draw_furrows(canvas: Canvas, low: Points, high: Points, axes: Points, centre: Points) -> None:
    step = canvas.rng.uniform(4, 9)
    dark = canvas.rng.random() < 0.5
    for at in np.arange(low[1] + step, high[1], step):
        ends = np.array([(low[0], at), (high[0], at)]) @ axes + centre
        canvas.fill(
            ribbon(ends, step * 0.35), (60, 60, 40) if dark else (190, 180, 140), opacity=0.16
        )


def _draw_water(canvas: Canvas) -> None:
    rng, side = canvas.rng, canvas.size_px
    angle = rng.uniform(0, 2 * np.pi)
    normal = np.array([np.cos(angle), np.sin(angle)])
    along = np.array([-normal[1], normal[0]])
    steps = np.linspace(-1.1, 1.1, 60)
    waves = sum(
        rng.normal(0, 0.035) * np.sin(k * steps * 2 + rng.uniform(0, 6)) for k in (1, 2, 5, 9)
    )
    offset = rng.uniform(0.16, 0.34)
    shore = side * (0.5 + normal * (offset + waves)[:, None] + along * steps[:, None])
    outline = np.concatenate([shore, (shore + 2 * side * normal)[::-1]])
    deep = np.array([(22, 52, 66), (30, 66, 78), (58, 74, 66)][int(rng.integers(3))], np.float32)
    sand = canvas.cover([outline - 5 * normal], soft_px=2)
    canvas.blend(sand * 0.8, (176, 158, 126))
    distance = canvas.cover([outline], soft_px=24)[..., None]
    colour = deep + (1 - distance) * np.array([70, 86, 64], np.float32)
    colour += 3 * canvas.noise(30)[..., None] + 2 * canvas.noise(3)[..., None]
    cover = canvas.cover([outline], soft_px=0.7)
    canvas.blend(cover, colour)
    canvas.water = cover > 0.02


def _draw_road(canvas: Canvas, width_px: float) -> None:
    rng, side = canvas.rng, canvas.size_px
    ends = rng.uniform(-0.1, 1.1, (4, 2)) * side
    ends[0, 0], ends[-1, 0] = -0.1 * side, 1.1 * side
    ends = ends[np.argsort(ends[:, 0])]
    if rng.random() < 0.5:
        ends = ends[:, ::-1]
    at = np.linspace(0, 3, 40)
    path = np.stack([np.interp(at, range(4), ends[:, axis]) for axis in (0, 1)], axis=1)
    for _ in range(3):
        path[1:-1] = (path[:-2] + 2 * path[1:-1] + path[2:]) / 4
    asphalt = rng.random() < 0.6
    tone = rng.uniform(0.9, 1.1)
    edge, middle = (
        ((150, 142, 124), (112, 110, 106)) if asphalt else ((150, 134, 104), (186, 170, 138))
    )
    canvas.fill(ribbon(path, width_px + 3), edge, opacity=0.7)
    canvas.fill(ribbon(path, width_px), _times(middle, tone))
    if asphalt and width_px > 8:
        canvas.fill(ribbon(path, 0.8), (196, 194, 186), opacity=0.6)


def box_at(centre: Points, sides: Points, angle: float) -> Points:
    """Return the corners of a rectangle, ``(4, 2)``.

    Args:
        centre: x and y in px.
        sides: Sides in px.
        angle: Rotation in radians.
    """
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * np.asarray(sides) / 2
    return np.asarray(corners @ axes + centre)


def draw_houses(canvas: Canvas, light: Light, centre: Points, count: int) -> None:
    """Paint houses and halls around a place, with their shadows.

    Args:
        canvas: The canvas.
        light: Sun and satellite.
        centre: x and y in px.
        count: Number of buildings.
    """
    rng = canvas.rng
    angle = rng.uniform(0, np.pi)
    roofs = ((206, 200, 188), (172, 110, 86), (150, 150, 152), (228, 226, 220), (120, 128, 138))
    for _ in range(count):
        place = centre + rng.normal(0, 10 + 5 * np.sqrt(count), 2)
        if not canvas.is_dry(place, 16):
            continue
        sides = rng.uniform(6, 26, 2) * (1.6 if rng.random() < 0.15 else 1)
        height = rng.uniform(3, 8)
        base = box_at(place, sides, angle + (np.pi / 2) * int(rng.integers(2)))
        canvas.shade(_hull(base, base + light.shadow * height), SHADE)
        roof = base + light.lean * height
        canvas.fill(_hull(base, roof), (118, 112, 104))
        colour = np.asarray(roofs[int(rng.integers(len(roofs)))]) * rng.uniform(0.85, 1.1)
        canvas.fill(roof, (float(colour[0]), float(colour[1]), float(colour[2])))
        ridge = (roof[[0, 1]] + roof[[3, 2]]) / 2
        lower = np.concatenate([ridge, roof[[2, 3]]])
        canvas.fill(lower, (0, 0, 0), opacity=0.14)


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def _hull(first: Points, second: Points) -> Points:
    import cv2

    both = np.concatenate([first, second]).astype(np.float32)
    return np.asarray(cv2.convexHull(both)[:, 0], np.float64)


def draw_trees(
    canvas: Canvas, light: Light, climate: Climate, keep_out: list[tuple[Points, float]]
) -> None:
    """Paint groves and single trees, except at places to keep free.

    Args:
        canvas: The canvas.
        light: Sun and satellite.
        climate: Colours and number of trees.
        keep_out: Centre and radius in px of each place to keep free.
    """
    rng, side = canvas.rng, canvas.size_px
    count = int(climate.trees * (side / 768) ** 2 * rng.uniform(0.5, 1.3))
    groves = rng.uniform(0, side, (max(1, count // 40), 2))
    for _ in range(count):
        if rng.random() < 0.75:
            place = groves[int(rng.integers(len(groves)))] + rng.normal(0, 26, 2)
        else:
            place = rng.uniform(0, side, 2)
        if any(np.linalg.norm(place - centre) < radius for centre, radius in keep_out):
            continue
        radius = rng.uniform(1.6, 4.6)
        if not canvas.is_dry(place, radius):
            continue
        canvas.shade(circle(place + light.shadow * radius, radius, 14), SHADE)
        tone = _times(climate.tree, rng.uniform(0.8, 1.3))
        canvas.fill(circle(place, radius, 14), tone)
        lit = _times(tone, 1.35)
        canvas.fill(circle(place + light.sun * radius * 0.35, radius * 0.55, 12), lit, opacity=0.7)
