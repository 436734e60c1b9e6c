# SPDX-License-Identifier: Apache-2.0
"""Measures of an object: on the ground if its image has coordinates, in px if not."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

import zoo
from zoo_geo_vectors.places import Place, converted

__all__ = ["measures_of"]

_CELL_DEGREES = 0.1  # 11 km: a plane around the middle of a cell is true to a millionth in it
Values = dict[str, float | None]


def measures_of(outline: Any, place: Place | None) -> Values:
    """Return the measures of an outline, by the names of their columns.

    ``area``: geodesic on the ground. ``length`` and ``width``: sides of the smallest rectangle
    around it. ``diameter``: that of a circle of its area. ``roundness``: share of the smallest
    circle around it that it fills, 1 for a disc and 0.64 for a square. Those on the ground are
    None where the reference system is not of the Earth; of another body, the area is known.

    Args:
        outline: A polygon or multipolygon in px, not simplified.
        place: Of its image; None for an image without coordinates.

    Source:
        Roundness: Reock 1961, "A note: measuring compactness", of minimum bounding circles.
    """
    area_px = float(outline.area)
    if place is None:
        plain = _sizes(shapely.convex_hull(outline), area_px, "px")
        return {"area_px": _rounded(area_px, 2), **plain}
    own = place.in_own(outline)
    ground = zoo.ground_area_of(place.own.to_wkt())
    area_m2 = None if ground is None else ground.of(own, step=place.step)
    hull = shapely.convex_hull(own)
    plane = None if area_m2 is None else _on_plane(hull, place.own)
    sizes = _sizes(plane, area_m2 or 0.0, "m")
    return {"area_px": _rounded(area_px, 2), "area_m2": _rounded(area_m2, 3), **sizes}


def _sizes(hull: Any, area: float, unit: str) -> Values:
    """Return length, width, diameter and roundness from a convex hull in a plane, and the area."""
    names = (f"length_{unit}", f"width_{unit}", f"diameter_{unit}")
    if hull is None:
        return dict.fromkeys((*names, "roundness"))
    corners = shapely.get_coordinates(shapely.oriented_envelope(hull))
    sides = sorted(math.dist(corners[place], corners[place + 1]) for place in (0, 1))
    circle = math.pi * float(shapely.minimum_bounding_radius(hull)) ** 2
    diameter = 2 * math.sqrt(area / math.pi)
    found = dict(zip(names, (sides[-1], sides[0], diameter), strict=True))
    rounded: Values = {name: _rounded(value, 3) for name, value in found.items()}
    return {**rounded, "roundness": _rounded(min(1.0, area / circle) if circle else 0.0, 3)}


def _on_plane(hull: Any, crs: CRS) -> Any:
    """Return a hull in m on a plane that touches the ellipsoid near it; None outside the system."""
    try:
        middle = hull.centroid
        longitude, latitude = _degrees(crs).transform(middle.x, middle.y)
        cell = (round(longitude / _CELL_DEGREES), round(latitude / _CELL_DEGREES))
        moved = converted(hull, _plane_at(crs, *cell))
    except (ProjError, ValueError, OverflowError):
        return None
    return moved if np.isfinite(shapely.get_coordinates(moved)).all() else None


@functools.lru_cache(maxsize=16)
def _degrees(crs: CRS) -> Transformer:
    return Transformer.from_crs(crs, 4326, always_xy=True)


@functools.lru_cache(maxsize=256)
def _plane_at(crs: CRS, longitude_cells: int, latitude_cells: int) -> Transformer:
    longitude, latitude = longitude_cells * _CELL_DEGREES, latitude_cells * _CELL_DEGREES
    plane = CRS.from_proj4(f"+proj=aeqd +lat_0={latitude} +lon_0={longitude} +units=m")
    return Transformer.from_crs(crs, plane, always_xy=True)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
