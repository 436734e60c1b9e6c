# SPDX-License-Identifier: Apache-2.0
"""Where an image lies: its reference system, and its pixels in the coordinates of a file."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.affinity import translate
from shapely.geometry import MultiPolygon
from shapely.geometry.polygon import orient

from zoo.errors import DataError
from zoo.interfaces import LabelledImage

__all__ = [
    "Place",
    "area_of",
    "converted",
    "crs_name",
    "cut_at_180",
    "neighbours",
    "place_of",
    "read_crs",
]

_PARTS_OF_PX = 100  # digits of coordinates tell apart a hundredth of a pixel
_HALF = 180.0  # degrees
_PIECES = 64  # of a border, none of which goes half around the Earth


@functools.lru_cache(maxsize=64)
def read_crs(text: str) -> CRS:
    """Return a reference system, longitude first if it is WGS 84.

    Args:
        text: ``EPSG:4326``, a URN or WKT.

    Raises:
        DataError: There is no such system.
    """
    try:
        found = CRS.from_user_input(text)
    except CRSError as error:
        message = f"cannot use the reference system {text!r:.80}: PROJ does not know it."
        raise DataError(message, hint="write its code, as EPSG:4326 or EPSG:25832.") from error
    # RFC 7946 and OGC name WGS 84 with the longitude first; files of GIS mean the same by its code.
    return CRS.from_epsg(4326) if found.to_authority() == ("OGC", "CRS84") else found


def crs_name(crs: CRS) -> str:
    """Return ``EPSG:32631``, or the name of a system without a code.

    Args:
        crs: A reference system.
    """
    authority = crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)


class Place:
    """Puts what was found in pixels of an image into the coordinates of a file.

    Args:
        own: Reference system of the image.
        transform: a, b, c, d, e, f, as of `zoo.interfaces.LabelledImage`.
        target: Reference system of the file.
    """

    def __init__(self, own: CRS, transform: tuple[float, ...], target: CRS) -> None:
        self.own, self.target = own, target
        self._transform = transform
        same = own == target
        self._to_target = None if same else Transformer.from_crs(own, target, always_xy=True)
        a, b, _, d, e, _ = transform
        self.step = min(math.hypot(a, d), math.hypot(b, e))

    def in_own(self, shape: Any) -> Any:
        """Return a shape in px in the coordinates of the image.

        Args:
            shape: A shape of shapely.
        """
        a, b, c, d, e, f = self._transform
        matrix, offset = np.array([[a, d], [b, e]]), np.array([c, f])
        return shapely.transform(shape, lambda points: points @ matrix + offset)

    def in_file(self, shape: Any) -> Any:
        """Return a shape in px in the coordinates of the file, with sensible digits; valid.

        Outer rings run counter-clockwise. A shape that crosses the 180th meridian is cut there if
        the file is in degrees. A shape outside the area of the reference system is empty.

        Args:
            shape: A shape of shapely.
        """
        placed = self._moved(self.in_own(shape))
        if self._to_target is not None:
            placed = cut_at_180(placed, self.in_own(shape), self._to_target, self.target)
        if not np.isfinite(shapely.get_coordinates(placed)).all():
            return shapely.Polygon()
        rounded = shapely.set_precision(placed, 10.0 ** -self.digits(shape))
        placed = placed if rounded.is_empty else rounded
        if placed.geom_type == "MultiPolygon":
            return MultiPolygon([orient(part) for part in placed.geoms])
        return orient(placed) if placed.geom_type == "Polygon" else placed

    def digits(self, shape: Any) -> int:
        """Return how many decimals tell apart a hundredth of a pixel at a shape.

        Args:
            shape: A shape of shapely, in px.
        """
        x, y = shapely.get_coordinates(shape)[0]
        corners = self._moved(self.in_own(shapely.points([[x, y], [x + 1, y], [x, y + 1]])))
        here, right, below = shapely.get_coordinates(corners)
        side = min(math.dist(here, right), math.dist(here, below))
        if not (math.isfinite(side) and side > 0):
            return 9
        return max(0, math.ceil(math.log10(_PARTS_OF_PX / side)))

    def _moved(self, shape: Any) -> Any:
        return shape if self._to_target is None else converted(shape, self._to_target)


def converted(shape: Any, transformer: Transformer) -> Any:
    """Return a shape in the coordinates that a transformer leads to.

    Args:
        shape: A shape of shapely, or an array of them.
        transformer: With x before y.
    """

    def convert(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points[:, 0], points[:, 1]
        # pyproj takes an array of one for a number, of which NumPy warns.
        one = len(points) == 1
        return np.column_stack(transformer.transform(*((x[0], y[0]) if one else (x, y))))

    return shapely.transform(shape, convert)


def cut_at_180(moved: Any, before: Any, transformer: Transformer, crs: CRS) -> Any:
    """Return a shape in degrees with parts on both sides of the 180th meridian if it crosses it.

    Transformers give longitudes from -180 to 180, so that such a shape would span the world. One
    around a pole, and one in other units, stays as it is.

    Args:
        moved: A shape in the system that the transformer leads to.
        before: The same in the system that it comes from.
        transformer: With x before y.
        crs: The system of ``moved``.
    """
    if not crs.is_geographic or crs.axis_info[0].unit_name != "degree":
        return moved
    left, _, right, _ = moved.bounds
    if not right - left > _HALF:  # nor an empty one
        return moved
    pieces = converted(shapely.segmentize(before, before.length / _PIECES), transformer)
    lines = shapely.get_parts(shapely.boundary(pieces))
    if not any(
        np.abs(np.diff(shapely.get_coordinates(line)[:, 0])).max() > _HALF for line in lines
    ):
        return moved  # it is as wide
    east = shapely.transform(moved, lambda xy: xy + np.outer(xy[:, 0] < 0, (2 * _HALF, 0)))
    if east.bounds[2] - east.bounds[0] > _HALF or not shapely.is_valid(east):
        return moved
    near = shapely.intersection(east, shapely.box(0, -90, _HALF, 90))
    far = shapely.intersection(east, shapely.box(_HALF, -90, 2 * _HALF, 90))
    parts = [*shapely.get_parts(near), *shapely.get_parts(translate(far, -2 * _HALF))]
    return MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def place_of(image: LabelledImage, crs: str) -> Place | None:
    """Return the place of an image, or None if it has no coordinates.

    Args:
        image: The image.
        crs: Reference system of the file; empty for that of the image.

    Raises:
        DataError: There is no such reference system.
    """
    if image.crs is None or image.transform is None:
        return None
    own = read_crs(image.crs)
    return Place(own, image.transform, read_crs(crs) if crs else own)


def area_of(size: tuple[int, int], place: Place) -> Any:
    """Return the ground that an image shows, as a polygon in its own reference system.

    It is half a pixel wider on each side: borders that are one on the ground may differ by
    rounding.

    Args:
        size: Width and height in px.
        place: Where the image lies.
    """
    width, height = (side + 0.5 for side in size)
    return place.in_own(shapely.box(-0.5, -0.5, width, height))


def neighbours(areas: Sequence[tuple[str, CRS, Any]]) -> list[str]:
    """Return the names of images that touch or overlap another one of their reference system.

    Args:
        areas: Name, own reference system and area of each image; see `area_of`.
    """
    alike: dict[CRS, list[tuple[int, Any]]] = {}
    for number, (_, crs, area) in enumerate(areas):
        alike.setdefault(crs, []).append((number, area))
    found = set[int]()
    for group in alike.values():
        tree = shapely.STRtree([area for _, area in group])
        for number, area in group:
            if number not in found:  # nor are many images of one place compared with each other
                near = tree.query(area, predicate="intersects").tolist()
                found.update(group[each][0] for each in near if len(near) > 1)
    return [areas[number][0] for number in sorted(found)]
