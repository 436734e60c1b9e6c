# SPDX-License-Identifier: Apache-2.0
"""Objects of an image as polygons along the pixel edges, in px."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely.geometry import MultiPolygon, Polygon

from zoo.data import crop_of_rle
from zoo.interfaces import LabelledObject, LabelledPolygon

__all__ = ["outline_of", "regions_of"]


def outline_of(each: LabelledObject) -> Any:
    """Return an object as one polygon or multipolygon; an empty one if it covers nothing.

    Parts of a mask that touch at a corner alone are separate parts, so that every ring is simple.

    Args:
        each: An object with polygons, a mask or a box.
    """
    if each.rle is not None:
        return shapely.union_all(_parts(*crop_of_rle(dict(each.rle))))
    if each.polygons:
        return shapely.union_all([_drawn(polygon) for polygon in each.polygons])
    box = shapely.box(*(each.box or (0.0, 0.0, 0.0, 0.0)))
    return box if box.area else Polygon()


def regions_of(each: LabelledObject) -> list[Any]:
    """Return the connected regions of a class of a label map, from the top left on, as polygons.

    Pixels that share a side are connected.

    Args:
        each: An object with a mask.
    """
    return _parts(*crop_of_rle(dict(each.rle or {})))


def _parts(pixels: NDArray[np.uint8], left_px: int, top_px: int) -> list[Any]:
    if not pixels.size:
        return []
    found = shapes(
        pixels, mask=pixels, connectivity=4, transform=Affine.translation(left_px, top_px)
    )
    parts = [Polygon(part["coordinates"][0], part["coordinates"][1:]) for part, _ in found]
    return sorted(parts, key=lambda part: (part.bounds[1], part.bounds[0], part.bounds))


def _drawn(polygon: LabelledPolygon) -> Any:
    """Return a polygon; of one that crosses itself, the area that its rings enclose."""
    rings = [np.array(ring, float).reshape(-1, 2) for ring in (polygon.outline, *polygon.holes)]
    whole = shapely.make_valid(Polygon(rings[0], rings[1:]))
    polygons = [part for part in shapely.get_parts(whole) if part.geom_type == "Polygon"]
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
