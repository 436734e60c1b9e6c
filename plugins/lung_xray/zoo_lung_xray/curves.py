# SPDX-License-Identifier: Apache-2.0
"""Smooth curves through a few points, used for every outline of the sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Line", "Points", "Rng", "shift", "smooth_curve"]

Points = NDArray[np.float64]  # (P, 2)
Line = tuple[Points, float]  # a centre line and a width
Rng = np.random.Generator


def shift(points: Points, s: float, v: float) -> Points:
    """Return points shifted by ``(s, v)``.

    Args:
        points: ``(P, 2)`` in the chest frame.
        s: Shift to the patient's left, in half-widths of the rib cage.
        v: Shift downwards, in heights of the lungs.
    """
    moved: Points = points + np.array((s, v))
    return moved


def smooth_curve(points: Points, *, closed: bool = False, steps: int = 10) -> Points:
    """Return the Catmull-Rom curve through points; a point given twice is a corner.

    Args:
        points: ``(P, 2)`` with P >= 2.
        closed: Join the last point to the first.
        steps: Samples per span between two points.

    Returns:
        ``(P * steps, 2)`` if closed, else ``((P - 1) * steps + 1, 2)``.

    Source:
        Catmull and Rom 1974, uniform knots.
    """
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        ends = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
        padded = np.concatenate([ends[0], points, ends[1]])
    t = (np.arange(steps) / steps)[:, None, None]
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    spans = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = spans.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])
