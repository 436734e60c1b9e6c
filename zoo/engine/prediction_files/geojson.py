# SPDX-License-Identifier: Apache-2.0
"""Instances as GeoJSON, in the coordinates of the image that shows them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.engine.scenes.ground_area import ground_area_of

if TYPE_CHECKING:
    from zoo.engine.prediction.results import InstanceResult
    from zoo.engine.scenes.scene import Georeference

__all__ = ["geojson_text"]


def geojson_text(result: InstanceResult) -> str:
    """Return a FeatureCollection, a polygon along the pixels' edges for each instance.

    Coordinates are those of the image's own reference system, which the member ``crs`` names, as
    in GeoJSON of 2008 and as GDAL and QGIS read it; RFC 7946 knows longitude and latitude alone.
    A model without masks gives boxes. ``area_m2`` is the outline's area on the ellipsoid, as
    :mod:`zoo.engine.scenes.ground_area` measures it.

    Args:
        result: Of an image with a georeference.

    Raises:
        ValueError: It has none.
    """
    from shapely.geometry import mapping

    place = result.georeference
    if place is None:
        message = "an image without coordinates has no GeoJSON"
        raise ValueError(message)
    areas = result.areas_px.tolist()
    ground = ground_area_of(place.wkt)
    a, b, _, d, e, _ = place.transform
    step = min(math.hypot(a, d), math.hypot(b, e))
    features = []
    for index, score in enumerate(result.scores.tolist()):
        properties = {
            "class": result.classes[result.class_ids[index]],
            "score": round(score, 4),
            "area_px": areas[index],
        }
        outline = _outline(result, index, place)
        area_m2 = None if ground is None else ground.of(outline, step=step)
        if area_m2 is not None:
            properties["area_m2"] = round(area_m2, 3)
        geometry = mapping(outline)
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": place.crs}},
        "features": features,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def _outline(result: InstanceResult, index: int, place: Georeference) -> Any:
    """Return the outline of an instance, outer rings counter-clockwise in the coordinates."""
    from affine import Affine
    from rasterio.features import shapes
    from shapely import box, union_all
    from shapely.affinity import affine_transform
    from shapely.geometry import shape
    from shapely.geometry.polygon import orient

    a, b, c, d, e, f = place.transform
    if result.masks is None:
        outline = affine_transform(box(*result.boxes[index].tolist()), [a, b, d, e, c, f])
    else:
        mask = result.masks[index]
        x = a * mask.left_px + b * mask.top_px + c
        y = d * mask.left_px + e * mask.top_px + f
        moved = Affine(a, b, x, d, e, y)
        parts = shapes(mask.pixels.astype(np.uint8), mask=mask.pixels, transform=moved)
        # Pixels that touch at a corner are parts of their own: so every ring is simple.
        outline = union_all([shape(part) for part, _ in parts])
    if outline.geom_type == "MultiPolygon":
        return type(outline)([orient(part) for part in outline.geoms])
    return orient(outline)
