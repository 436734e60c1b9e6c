# SPDX-License-Identifier: Apache-2.0
"""The bones of the chest, in the chest frame of ``zoo_lung_xray.anatomy``."""

from __future__ import annotations

import numpy as np

from zoo_lung_xray.curves import Line, Points, Rng, shift, smooth_curve

__all__ = ["draw_arms", "draw_clavicles", "draw_ribs", "draw_scapulae", "draw_vertebrae"]

# Half-width of the rib cage (s) at some heights (v).
CAGE_V = (0.0, 0.15, 0.36, 0.62, 1.0)
CAGE_S = (0.5, 0.80, 0.94, 1.01, 1.06)

# Points of a rib: s and its factor of the cage's half-width, v and its factor of the rib's drop.
# fmt: off
RIB_BEHIND = (
    (0.11, 0.00, 0.0, 0.0), (0.0, 0.30, -0.035, 0.0), (0.0, 0.58, -0.01, 0.0),
    (0.00, 0.86, 0.0, 0.45), (0.0, 0.98, 0.0, 1.0), (0.0, 1.0, 0.0, 1.3),
)
RIB_BEFORE = (
    (0.00, 1.00, 0.0, 1.3), (0.0, 0.97, 0.0, 1.75), (0.0, 0.80, 0.0, 2.3),
    (0.05, 0.52, 0.0, 2.65), (0.05, 0.36, 0.0, 2.55),
)
SCAPULA = (
    (0.86, 0.02), (1.20, 0.04), (1.36, 0.10), (1.24, 0.26), (1.08, 0.52), (0.96, 0.64),
    (0.88, 0.50), (0.84, 0.25),
)
# fmt: on


def draw_vertebrae(rng: Rng) -> list[Points]:
    """Return the vertebrae from the neck to the loins, along a slightly bent spine.

    Args:
        rng: Random generator.
    """
    bodies = []
    bend, pitch = rng.normal(0, 0.02), 0.135
    for number in range(-5, 14):
        v = number * pitch + rng.normal(0, 0.003)
        half = 0.105 + 0.003 * number
        s = bend * np.sin(v * 2.5)
        waist = 0.92 * half
        outline = [(-half, 0.0), (half, 0.0), (waist, 0.055), (half, 0.11), (-half, 0.11)]
        box = np.array([*outline, (-waist, 0.055)])
        bodies.append(shift(box, s, v))
    return bodies


def draw_scapulae(rng: Rng) -> list[Points]:
    """Return both shoulder blades, rotated out of the lungs to a random degree.

    Args:
        rng: Random generator.
    """
    blade = np.array(SCAPULA)
    out = rng.uniform(-0.06, 0.22)
    outlines = []
    for side in (-1, 1):
        outline = smooth_curve(shift(blade, out, rng.normal(0, 0.03)), closed=True)
        outlines.append(outline * (side, 1))
    return outlines


def draw_ribs(rng: Rng, tilt: float, *, behind: bool) -> list[Line]:
    """Return the ribs of both sides: posterior, from the spine to the wall, or anterior.

    Args:
        rng: Random generator of small irregularities.
        tilt: Additional slope.
        behind: True for the eleven posterior pairs, False for the eight anterior pairs.
    """
    ribs = []
    for number in range(11 if behind else 8):
        v = -0.015 + 0.118 * number + rng.normal(0, 0.004)
        wall = float(np.interp(v + 0.10, CAGE_V, CAGE_S))
        drop = 0.16 + 0.012 * number + tilt
        shape = np.array(RIB_BEHIND if behind else RIB_BEFORE)
        line = np.stack([shape[:, 0] + shape[:, 1] * wall, v + shape[:, 2] + shape[:, 3] * drop], 1)
        for side in (-1, 1):
            curve = shift(smooth_curve(line), 0, rng.normal(0, 0.004)) * (side, 1)
            ribs.append((curve, 0.062 if behind else 0.075))
    return ribs


def draw_clavicles(rng: Rng) -> list[Line]:
    """Return both collar bones, at the height of the patient's shoulders.

    Args:
        rng: Random generator.
    """
    lift, lines = rng.normal(0.0, 0.04), []
    for side in (-1, 1):
        line = np.array(
            [(0.10, 0.17), (0.28, 0.13), (0.55, 0.075), (0.85, 0.0), (1.12, -0.03), (1.36, 0.0)]
        )
        line[:, 1] += lift * line[:, 0] + rng.normal(0, 0.012)
        lines.append((smooth_curve(line) * (side, 1), 0.075))
    return lines


def draw_arms(rng: Rng, spread: float) -> list[Line]:
    """Return both upper arm bones with their heads.

    Args:
        rng: Random generator.
        spread: How far the arms are out.
    """
    lines = []
    for side in (-1, 1):
        reach = spread + rng.normal(0, 0.03)
        head = np.array([(1.44, 0.10), (1.52 + 0.1 * reach, 0.20), (1.60 + 0.4 * reach, 0.6)])
        shaft = np.concatenate([head, [(1.66 + reach * 1.4, 1.4), (1.7 + reach * 2.6, 2.6)]])
        lines.append((smooth_curve(shaft) * (side, 1), 0.15))
        lines.append((head[:2] * (side, 1), 0.24))
    return lines
