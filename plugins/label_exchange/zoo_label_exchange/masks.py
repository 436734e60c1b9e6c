# SPDX-License-Identifier: Apache-2.0
"""Masks of objects, as COCO's run lengths and as pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as tools

from zoo.data import rle_of_polygons
from zoo.interfaces import LabelledObject, LabelledPolygon

__all__ = ["EMPTY", "filled", "from_pixels", "polygons_area", "to_pixels"]

EMPTY = "mask has no pixel"


def filled(each: LabelledObject, size: tuple[int, int]) -> dict[str, Any]:
    """Return the mask of an object as compact run lengths, ``counts`` as text.

    Args:
        each: An object with a mask or polygons.
        size: Width and height of its image in px.
    """
    if each.rle is None:
        parts = [(polygon.outline, polygon.holes) for polygon in each.polygons]
        return rle_of_polygons(parts, size[1], size[0])
    rle = dict(each.rle)
    if isinstance(rle["counts"], list):
        rle = tools.frPyObjects(rle, *rle["size"])
    return _spelled(rle)


def to_pixels(rle: dict[str, Any]) -> NDArray[np.uint8]:
    """Return run lengths as ``(H, W)`` uint8 of 0 and 1.

    Args:
        rle: As `filled` returns it.
    """
    pixels: NDArray[np.uint8] = tools.decode(rle)
    return pixels


def from_pixels(pixels: NDArray[Any]) -> dict[str, Any]:
    """Return a mask as compact run lengths, ``counts`` as text.

    Args:
        pixels: ``(H, W)``; all but 0 belongs to the object.
    """
    return _spelled(tools.encode(np.asfortranarray(pixels != 0, np.uint8)))


def polygons_area(polygons: Iterable[LabelledPolygon]) -> float:
    """Return the area of polygons less their holes, in px^2, by the shoelace formula.

    Args:
        polygons: Parts of an object.
    """
    return sum(_area(polygon.outline) - sum(map(_area, polygon.holes)) for polygon in polygons)


def _area(outline: Sequence[float]) -> float:
    x, y = np.asarray(outline[::2], float), np.asarray(outline[1::2], float)
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _spelled(rle: dict[str, Any]) -> dict[str, Any]:
    counts = rle["counts"]
    text = counts.decode("ascii") if isinstance(counts, bytes) else counts
    return {"size": [int(side) for side in rle["size"]], "counts": text}
