# SPDX-License-Identifier: Apache-2.0
"""Areas on the ground: measured on the ellipsoid, independent of the projection."""

from __future__ import annotations

import functools
import logging
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GroundArea", "ground_area_of"]

_LOG = logging.getLogger("zoo")
_MOST_POINTS = 4096  # per outline, after its edges are divided


class GroundArea:
    """Measures the area of outlines given in a reference system.

    Args:
        crs: A pyproj CRS with an ellipsoid.

    Source:
        Karney 2013, "Algorithms for geodesics", section 6, as implemented in PROJ.
    """

    def __init__(self, crs: Any) -> None:
        from pyproj import Transformer

        geodetic = crs.geodetic_crs
        self._geod = crs.get_geod()
        self._to_geodetic = Transformer.from_crs(crs, geodetic, always_xy=True)
        # Some old systems use grads.
        self._degrees = math.degrees(geodetic.axis_info[0].unit_conversion_factor)

    def of(self, outline: Any, *, step: float) -> float | None:
        """Return the area of an outline in m^2, or None outside the area of the system.

        Args:
            outline: A shapely polygon or multipolygon, in the system's own units.
            step: Edges are straight in the system but not on the ground, so they are divided into
                pieces of this length, or longer ones if there would be too many.
        """
        import numpy as np
        import shapely
        from shapely.geometry.polygon import orient

        longest = max(step, shapely.length(outline) / _MOST_POINTS)
        divided = shapely.segmentize(outline, longest)
        points = shapely.transform(divided, self._to_degrees)
        if not np.isfinite(shapely.get_coordinates(points)).all():
            return None
        # Holes are recognized by their direction, which axes that point south reverse.
        parts = (orient(part) for part in getattr(points, "geoms", [points]))
        return sum(abs(float(self._geod.geometry_area_perimeter(part)[0])) for part in parts)

    def _to_degrees(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        longitudes, latitudes = self._to_geodetic.transform(points[:, 0], points[:, 1])
        return np.column_stack([longitudes, latitudes]) * self._degrees


@functools.lru_cache(maxsize=16)
def ground_area_of(wkt: str) -> GroundArea | None:
    """Return a `GroundArea` for a reference system; None, with a warning, if it has no ellipsoid.

    Args:
        wkt: WKT of the system.
    """
    try:
        from pyproj import CRS
        from pyproj.exceptions import ProjError
    except ImportError as error:
        _LOG.warning('area_m2 is left out: %s; pip install "mmzoo[geo]".', error)
        return None
    try:
        crs = CRS.from_wkt(wkt)
        if crs.geodetic_crs is not None and crs.get_geod() is not None:
            return GroundArea(crs)
    except ProjError as error:
        _LOG.warning("area_m2 is left out: %s", error)
        return None
    _LOG.warning("area_m2 is left out: the reference system %r has no ellipsoid", crs.name)
    return None
