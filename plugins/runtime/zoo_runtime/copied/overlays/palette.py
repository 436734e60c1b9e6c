# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.overlays.palette, by tools/runtime_copies.py.
"""The colours and names of classes in pictures."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

__all__ = [
    "FALSE",
    "MISSED",
    "RIGHT",
    "SWAPPED",
    "default_palette",
    "is_background",
    "short_name",
    "to_rgb",
]

MAX_NAME_CHARS = 40
_BACKGROUND_NAMES = frozenset({"background", "_background_", "bg", "unlabeled", "unlabelled"})
# Okabe and Ito 2008, "Color Universal Design": told apart with any kind of colour vision.
_DISTINCT = (
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (213, 94, 0),
    (204, 121, 167),
    (240, 228, 66),
    (0, 114, 178),
)

# What a comparison with the truth shows, of the same colours.
RIGHT, MISSED, FALSE, SWAPPED = _DISTINCT[0], _DISTINCT[2], _DISTINCT[3], _DISTINCT[4]


def is_background(name: str) -> bool:
    """Return whether a class is the ground that is left unpainted, by its name.

    Args:
        name: Of a class.
    """
    return name.strip().casefold() in _BACKGROUND_NAMES


def default_palette(classes: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Return one RGB colour per class for a model that brings none; the background is black.

    Args:
        classes: Their names, by id.

    Source:
        The first seven are the colours of Okabe and Ito 2008; later ones are stepped around the
        hue circle by the golden ratio, so that neighbours in number differ in hue.
    """
    colors: list[tuple[int, int, int]] = []
    painted = 0
    for name in classes:
        if is_background(name):
            colors.append((0, 0, 0))
            continue
        colors.append(_DISTINCT[painted] if painted < len(_DISTINCT) else _hue_color(painted))
        painted += 1
    return tuple(colors)


def short_name(name: str) -> str:
    """Return a class name, its end left out if it is longer than 40 letters.

    Args:
        name: Of a class.
    """
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"


def to_rgb(color: Sequence[int]) -> tuple[int, int, int]:
    """Return the first three numbers of a colour as plain integers.

    Args:
        color: Three numbers or more, 0..255.
    """
    red, green, blue = (int(value) for value in color[:3])
    return red, green, blue


def _hue_color(index: int) -> tuple[int, int, int]:
    golden = (math.sqrt(5) - 1) / 2
    red, green, blue = colorsys.hsv_to_rgb((index * golden) % 1, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
