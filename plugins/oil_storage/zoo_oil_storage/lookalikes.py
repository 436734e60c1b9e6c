# SPDX-License-Identifier: Apache-2.0
"""Draw round objects that are not tanks: ponds, pads, basins, roundabouts, irrigation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo_oil_storage.canvas import Canvas, Colour, Light, Points, circle, ribbon

__all__ = ["draw_lookalikes"]

Place = tuple[Points, float]


def draw_lookalikes(canvas: Canvas, light: Light, taken: list[Place]) -> None:
    """Paint round objects at free places.

    Args:
        canvas: The canvas.
        light: Sun and satellite.
        taken: Occupied places; the new ones are added.
    """
    rng = canvas.rng
    kinds: list[tuple[Callable[..., None], float, tuple[float, float]]] = [
        (_draw_irrigation, 0.9, (34, 92)),
        (_draw_pond, 2.5, (5, 26)),
        (_draw_pad, 6.0, (4, 26)),
        (_draw_roundabout, 0.8, (9, 18)),
    ]
    area = (canvas.size_px / 768) ** 2
    for draw, mean, (least, most) in kinds:
        for _ in range(int(rng.poisson(mean * area))):
            radius = float(np.exp(rng.uniform(np.log(least), np.log(most))))
            place = _find_place(canvas, radius + 4, taken)
            if place is not None:
                draw(canvas, place, radius)
    if rng.random() < 0.6:
        _draw_basins(canvas, light, taken)


def _find_place(canvas: Canvas, radius: float, taken: list[Place]) -> Points | None:
    for _ in range(20):
        place = canvas.rng.uniform(0, canvas.size_px, 2)
        apart = all(np.linalg.norm(place - other) > radius + reach for other, reach in taken)
        if apart and canvas.is_dry(place, radius + 3):
            taken.append((place, radius))
            return np.asarray(place)
    return None


def _wobbly(canvas: Canvas, centre: Points, radius: float, amount: float) -> Points:
    outline = circle(centre, radius) - centre
    angles = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)
    rng = canvas.rng
    waves = sum(rng.normal(0, amount) * np.cos(k * angles + rng.uniform(0, 6)) for k in (2, 3, 4))
    return np.asarray(centre + outline * (1 + waves)[:, None])


def _vary(canvas: Canvas, colour: Colour, share: float = 0.12) -> Colour:
    red, green, blue = np.asarray(colour) * canvas.rng.uniform(1 - share, 1 + share)
    return float(red), float(green), float(blue)


def _draw_irrigation(canvas: Canvas, centre: Points, radius: float) -> None:
    rng = canvas.rng
    crop = _vary(canvas, (72, 104, 52))
    canvas.fill(circle(centre, radius, 96), crop)
    start, end = np.sort(rng.uniform(0, 2 * np.pi, 2))
    wedge = np.linspace(start, end, 30)
    arc = centre + radius * np.stack([np.cos(wedge), np.sin(wedge)], axis=1)
    canvas.fill(np.concatenate([centre[None], arc]), _vary(canvas, (130, 112, 78)), opacity=0.8)
    for track in np.arange(0.2, 1, 0.2).tolist():
        ring = np.concatenate(
            [circle(centre, radius * track, 72), circle(centre, radius * track + 0.7, 72)[::-1]]
        )
        canvas.fill(ring, (150, 140, 100), opacity=0.35)


def _draw_pond(canvas: Canvas, centre: Points, radius: float) -> None:
    amount = 0.02 if canvas.rng.random() < 0.5 else 0.09
    outline = _wobbly(canvas, centre, radius, amount)
    canvas.fill(centre + (outline - centre) * (1 + 1.8 / radius), (148, 132, 102), opacity=0.8)
    tones: tuple[Colour, ...] = ((30, 56, 58), (58, 84, 72), (86, 104, 78), (20, 34, 44))
    canvas.fill(outline, _vary(canvas, tones[int(canvas.rng.integers(4))]))


def _draw_pad(canvas: Canvas, centre: Points, radius: float) -> None:
    """Paint gravel, concrete or salt, bright and round like a roof, but flat."""
    tones: tuple[Colour, ...] = ((216, 206, 184), (234, 230, 220), (196, 186, 168))
    outline = _wobbly(canvas, centre, radius, 0.015)
    canvas.fill(outline, _vary(canvas, tones[int(canvas.rng.integers(3))]))
    if canvas.rng.random() < 0.5:
        ring = centre + (outline - centre) * 0.72
        canvas.fill(ring, _vary(canvas, (168, 156, 132), 0.2))
    if canvas.rng.random() < 0.5:
        away = canvas.rng.normal(0, 1, 2)
        away *= (radius + 30) / np.linalg.norm(away)
        canvas.fill(ribbon(np.stack([centre, centre + away]), 3), (186, 174, 146), opacity=0.8)


def _draw_roundabout(canvas: Canvas, centre: Points, radius: float) -> None:
    angle = canvas.rng.uniform(0, np.pi)
    for turn in (angle, angle + np.pi / 2):
        away = 70 * np.array([np.cos(turn), np.sin(turn)])
        canvas.fill(ribbon(np.stack([centre - away, centre + away]), 6), (118, 116, 112))
    canvas.fill(circle(centre, radius), (116, 114, 110))
    canvas.fill(circle(centre, radius * 0.62), _vary(canvas, (176, 170, 156)))
    canvas.fill(circle(centre, radius * 0.55), _vary(canvas, (84, 106, 60)))


def _draw_basins(canvas: Canvas, light: Light, taken: list[Place]) -> None:
    """Paint a row of clarifiers: a wall, water, a bridge, and almost no shadow."""
    rng = canvas.rng
    radius, number = float(rng.uniform(7, 17)), int(rng.integers(2, 5))
    place = _find_place(canvas, radius * 1.3 * number, taken)
    if place is None:
        return
    angle = rng.uniform(0, 2 * np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * radius * 2.5
    water = _vary(canvas, (64, 78, 66), 0.3)
    for index in range(number):
        centre = place + step * (index - (number - 1) / 2)
        canvas.fill(circle(centre, radius), (196, 192, 182))
        canvas.fill(circle(centre, radius - 1.4), water)
        canvas.fill(circle(centre + light.sun * 0.8, radius - 1.4), water, opacity=0.5)
        turn = rng.uniform(0, np.pi)
        arm = radius * np.array([np.cos(turn), np.sin(turn)])
        canvas.fill(ribbon(np.stack([centre, centre + arm]), 1.6), (206, 202, 192))
        canvas.fill(circle(centre, radius * 0.14), (190, 186, 176))
