# SPDX-License-Identifier: Apache-2.0
"""The outlines of a synthetic chest: lungs, torso, bones and vessels as polygons in pixels.

Everything is drawn in a *chest frame* ``(s, v)`` and mapped to pixels by one affine map. ``s`` is
the signed distance from the midline in half-widths of the rib cage, negative on the patient's
right, which is on the left of the image. ``v`` runs down from the top of the lungs (0) to the top
of the right dome of the diaphragm (1). The shapes follow textbook radiographic anatomy; nothing
is traced from, or fitted to, any real image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo_lung_xray.curves import Line, Points, Rng, shift, smooth_curve
from zoo_lung_xray.skeleton import (
    draw_arms,
    draw_clavicles,
    draw_ribs,
    draw_scapulae,
    draw_vertebrae,
)

__all__ = ["Chest", "draw_chest"]

Lung = tuple[Points, Points]  # the dome and the sides, in the chest frame

# fmt: off
# Each lung is two curves that meet in sharp corners, the costophrenic and the cardiophrenic angle:
# the dome of the diaphragm from the first to the second, and the sides from the second to the
# first, up along the mediastinum, over the apex and down the outer wall.
RIGHT_DOME = ((1.0, 1.24), (0.90, 1.10), (0.72, 1.015), (0.52, 1.0), (0.29, 1.07))
RIGHT_SIDES = (
    # right atrium, hilum, upper mediastinum
    (0.29, 1.07), (0.31, 0.86), (0.27, 0.70), (0.21, 0.56), (0.22, 0.42), (0.19, 0.28),
    (0.17, 0.14), (0.24, 0.03), (0.40, 0.00),
    # outer wall
    (0.58, 0.045), (0.75, 0.17), (0.86, 0.36), (0.94, 0.62), (0.985, 0.90), (1.0, 1.24),
)
LEFT_DOME = ((0.99, 1.28), (0.90, 1.17), (0.78, 1.09), (0.66, 1.06), (0.58, 1.07))
LEFT_SIDES = (
    # apex of the heart, left ventricle, atrial waist, pulmonary trunk
    (0.58, 1.07), (0.60, 0.93), (0.50, 0.76), (0.37, 0.60), (0.29, 0.48), (0.235, 0.41),
    # aortic knob, upper mediastinum
    (0.265, 0.32), (0.235, 0.25), (0.17, 0.15), (0.24, 0.03), (0.40, 0.00),
    # outer wall
    (0.58, 0.045), (0.75, 0.17), (0.86, 0.36), (0.94, 0.62), (0.985, 0.92), (0.99, 1.28),
)
HEART_SHARE = (1.0, 1.0, 1.0, 0.8, 0.4)  # of the heart's excess, for the first of LEFT_SIDES

# The left half of the body: neck, shoulder and arm; the arm's inner side; the side of the trunk.
TORSO = (
    (0.0, -0.9), (0.40, -0.9), (0.40, -0.42), (0.50, -0.27), (0.82, -0.15), (1.25, -0.04),
    (1.62, 0.08), (1.82, 0.36), (1.88, 0.80), (1.92, 1.40), (1.94, 2.6),
)
FLANK = ((1.52, 2.6), (1.46, 1.40), (1.38, 0.95), (1.25, 0.60), (1.25, 0.60))
TRUNK = ((1.25, 0.60), (1.17, 0.74), (1.15, 0.98), (1.16, 1.30), (1.12, 1.70), (1.16, 2.6))
# fmt: on


@dataclass(frozen=True, slots=True)
class Body:
    """The parameters of a patient, in units of the chest frame.

    Width and height of the rib cage are shares of the image; the others shift outlines from
    their usual place. ``breasts`` is their size (0: not visible).
    """

    width: float
    height: float
    heart: float
    dome_left: float
    dome_right: float
    arms: float
    bulk: float
    breasts: float
    shoulders: float
    ribs: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The affine map from the chest frame to pixels of one exposure."""

    centre_px: tuple[float, float]
    half_width_px: float
    height_px: float
    angle_rad: float

    def place(self, points: Points) -> Points:
        """Return chest points as pixels, x then y.

        Args:
            points: ``(P, 2)`` in the chest frame.
        """
        x = points[:, 0] * self.half_width_px
        y = (points[:, 1] - 0.6) * self.height_px
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
        placed: Points = turned + np.asarray(self.centre_px)
        return placed


@dataclass(frozen=True, slots=True)
class Chest:
    """One patient's outlines in pixels; sides are in the order right, left.

    A bone or vessel is a centre line of ``(P, 2)`` points with a width in pixels.
    """

    size_px: int
    half_width_px: float
    lungs: tuple[Points, Points]
    torso: Points
    abdomen: Points
    heart: Points
    breasts: tuple[Points, ...]
    gas: tuple[Points, ...]
    vertebrae: tuple[Points, ...]
    scapulae: tuple[Points, ...]
    airway: tuple[Line, ...]
    ribs_behind: tuple[Line, ...]
    ribs_before: tuple[Line, ...]
    clavicles: tuple[Line, ...]
    arms: tuple[Line, ...]
    vessels: tuple[Line, ...]


def draw_chest(patient: Rng, pose: Rng, size_px: int) -> Chest:
    """Return a random chest, with a body from ``patient`` and a pose from ``pose``.

    Two exposures of one patient share the state of ``patient`` and differ in ``pose``.

    Args:
        patient: Generator of the shapes.
        pose: Generator of place, scale and tilt.
        size_px: Height and width of the square image.
    """
    body = _draw_body(patient)
    half_width = body.width * pose.normal(1.0, 0.03) * size_px
    frame = Frame(
        (size_px * pose.normal(0.5, 0.018), size_px * pose.normal(0.475, 0.025)),
        half_width,
        body.height * pose.normal(1.0, 0.03) * size_px,
        np.deg2rad(pose.normal(0.0, 2.2)),
    )
    lungs = _lungs(patient, body)
    put = frame.place
    return Chest(
        size_px=size_px,
        half_width_px=half_width,
        lungs=(put(_outline(lungs[0])), put(_outline(lungs[1]))),
        torso=put(_torso(body)),
        abdomen=put(_abdomen(lungs)),
        heart=put(_heart(lungs[1])),
        breasts=tuple(put(part) for part in _breasts(patient, body)),
        gas=tuple(put(part) for part in _gas(patient, lungs[1])),
        vertebrae=tuple(put(part) for part in draw_vertebrae(patient)),
        scapulae=tuple(put(part) for part in draw_scapulae(patient)),
        airway=_placed(_airway(patient), frame),
        ribs_behind=_placed(draw_ribs(patient, body.ribs, behind=True), frame),
        ribs_before=_placed(draw_ribs(patient, body.ribs, behind=False), frame),
        clavicles=_placed(draw_clavicles(patient), frame),
        arms=_placed(draw_arms(patient, body.arms), frame),
        vessels=_placed(_vessels(patient), frame),
    )


def _placed(lines: list[Line], frame: Frame) -> tuple[Line, ...]:
    return tuple((frame.place(line), width * frame.half_width_px) for line, width in lines)


def _draw_body(rng: Rng) -> Body:
    return Body(
        width=float(np.clip(rng.normal(0.365, 0.025), 0.30, 0.42)),
        height=float(np.clip(rng.normal(0.50, 0.05), 0.38, 0.60)),
        heart=float(np.clip(rng.normal(0.0, 0.07), -0.13, 0.18)),
        dome_left=rng.normal(0.02, 0.03),
        dome_right=rng.normal(0.0, 0.02),
        arms=rng.uniform(-0.15, 0.25),
        bulk=rng.normal(0.03, 0.07),
        breasts=rng.choice([0.0, 1.0]) * rng.uniform(0.5, 1.2),
        shoulders=rng.uniform(-0.22, 0.06),
        ribs=rng.normal(0.0, 0.04),
    )


def _lungs(rng: Rng, body: Body) -> tuple[Lung, Lung]:
    right = _jitter(rng, np.array(RIGHT_DOME), np.array(RIGHT_SIDES), body.dome_right)
    left = _jitter(rng, np.array(LEFT_DOME), np.array(LEFT_SIDES), body.dome_left)
    left[1][: len(HEART_SHARE), 0] += body.heart * np.array(HEART_SHARE)
    left[0][-1] = left[1][0]
    for curves, factor in ((right, -rng.normal(1.0, 0.02)), (left, rng.normal(0.97, 0.03))):
        for curve in curves:
            curve[:, 0] *= factor
    return right, left


def _jitter(rng: Rng, dome: Points, sides: Points, dome_height: float) -> Lung:
    """Move every point a little, the dome by its height, and keep the corners joined."""
    dome += shift(rng.normal(0.0, 0.011, dome.shape), 0, dome_height)
    sides += rng.normal(0.0, 0.011, sides.shape)
    sides[0], sides[-1] = dome[-1], dome[0]
    return dome, sides


def _outline(lung: Lung) -> Points:
    return np.concatenate([smooth_curve(curve)[:-1] for curve in lung])


def _torso(body: Body) -> Points:
    """Return the skin: neck, shoulders, arms, and the gap between each arm and the chest."""
    half = smooth_curve(np.array(TORSO), steps=6)
    flank = smooth_curve(np.array(FLANK), steps=6)
    trunk = smooth_curve(np.array(TRUNK), steps=6)
    half[:, 0] += body.bulk * np.clip(half[:, 1] + 0.4, 0, 1)
    flank[:, 0] += body.bulk
    trunk[:, 0] += body.bulk
    half[:, 1] += body.shoulders * np.exp(-(((half[:, 0] - 1.2) / 0.6) ** 2))
    swing = body.arms
    half[:, 0] += swing * np.clip(half[:, 1], 0, None)
    flank[:, 0] += swing * np.clip(flank[:, 1] - 0.60, 0, None)
    side = np.concatenate([half, flank, trunk])
    mirrored = side[::-1] * (-1, 1)
    return np.concatenate([side, mirrored])


def _abdomen(lungs: tuple[Lung, Lung]) -> Points:
    """Return the area under the two domes, down to below the image."""
    right, left = (smooth_curve(dome) for dome, _ in lungs)
    middle = np.array([(0.0, max(right[-1, 1], left[-1, 1]) + 0.05)])
    wall = np.array([(1.10, 1.45), (1.14, 2.6), (-1.14, 2.6), (-1.10, 1.45)])
    return np.concatenate([right, middle, left[::-1], wall])


def _heart(left_lung: Lung) -> Points:
    edge = left_lung[1][7::-1]
    right_side = np.array([(0.1, 1.13), (-0.26, 1.02), (-0.30, 0.82), (-0.24, 0.62), (-0.16, 0.45)])
    return smooth_curve(np.concatenate([edge, right_side]), closed=True)


def _breasts(rng: Rng, body: Body) -> list[Points]:
    if body.breasts == 0.0:
        return []
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    centre_v, radius = rng.uniform(0.78, 1.0), 0.34 * body.breasts
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (radius * 1.1, radius)
    return [shift(unit, side * rng.uniform(0.72, 0.84), centre_v) for side in (-1, 1)]


def _gas(rng: Rng, left_lung: Lung) -> list[Points]:
    """Return the stomach's bubble under the left dome and a few of the colon's."""
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    top = left_lung[0][3, 1]
    places = [(rng.uniform(0.5, 0.8), top + rng.uniform(0.10, 0.16), rng.uniform(0.08, 0.18))]
    for _ in range(int(rng.integers(0, 5))):
        places.append((rng.uniform(-0.7, 0.95), top + rng.uniform(0.25, 0.6), 0.07))
    blobs = []
    for s, v, radius in places:
        wobble = radius * (1 + 0.15 * np.sin(3 * angle + rng.uniform(0, 6)))
        blobs.append(
            np.stack([s + 1.2 * wobble * np.cos(angle), v + 0.6 * wobble * np.sin(angle)], 1)
        )
    return blobs


def _airway(rng: Rng) -> list[Line]:
    split = rng.normal(0.40, 0.02)
    trachea = np.array([(0.0, -0.9), (0.0, -0.2), (rng.normal(-0.015, 0.01), 0.2), (0.0, split)])
    right = np.array([(0.0, split - 0.02), (-0.10, split + 0.07), (-0.20, split + 0.16)])
    left = np.array([(0.0, split - 0.02), (0.13, split + 0.08), (0.24, split + 0.13)])
    return [(smooth_curve(trachea), 0.10), (smooth_curve(right), 0.06), (smooth_curve(left), 0.055)]


def _vessels(rng: Rng) -> list[Line]:
    """Return arteries that fan out from each hilum and fork twice on their way."""
    lines: list[Line] = []
    for side in (-1, 1):
        hilum = np.array((side * 0.25, 0.47 + rng.normal(0, 0.02)))
        for angle in np.linspace(-1.15, 1.35, 9) + rng.normal(0, 0.08, 9):
            lines += _branch(rng, hilum, angle, side, rng.uniform(0.14, 0.24), 0.036, 4)
    return lines


def _branch(
    rng: Rng, start: Points, angle: float, side: int, reach: float, width: float, depth: int
) -> list[Line]:
    bend = angle + rng.normal(0, 0.3)
    middle = start + 0.5 * reach * np.array((side * np.cos(angle), np.sin(angle)))
    end = middle + 0.5 * reach * np.array((side * np.cos(bend), np.sin(bend)))
    lines = [(smooth_curve(np.stack([start, middle, end]), steps=5), width)]
    if depth > 1:
        for turn in (-0.35, 0.35):
            turned = bend + turn + rng.normal(0, 0.15)
            lines += _branch(
                rng, end, turned, side, reach * rng.uniform(0.55, 0.85), width * 0.6, depth - 1
            )
    return lines
