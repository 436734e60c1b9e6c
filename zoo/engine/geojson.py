# SPDX-License-Identifier: Apache-2.0
"""Instances as GeoJSON, in the coordinates of the image that shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from zoo.engine.rasters import Georeference
    from zoo.engine.results import InstanceResult

__all__ = ["geojson_text"]


def geojson_text(result: InstanceResult) -> str:
    """Return a FeatureCollection, a polygon along the pixels' edges for each instance.

    Coordinates are those of the image's own reference system, which the member ``crs`` names, as
    in GeoJSON of 2008 and as GDAL and QGIS read it; RFC 7946 knows longitude and latitude alone.
    A model without masks gives boxes. Of a projected system each feature has ``area_m2`` too.

    Args:
        result: Of an image with a georeference.

    Raises:
        ValueError: It has none.
    """
    place = result.georeference
    if place is None:
        message = "an image without coordinates has no GeoJSON"
        raise ValueError(message)
    areas = result.areas_px.tolist()
    features = []
    for index, score in enumerate(result.scores.tolist()):
        properties = {
            "class": result.classes[result.class_ids[index]],
            "score": round(score, 4),
            "area_px": areas[index],
        }
        if place.pixel_area_m2 is not None:
            properties["area_m2"] = round(areas[index] * place.pixel_area_m2, 3)
        geometry = _geometry(result, index, place)
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    content = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": place.crs}},
        "features": features,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def _geometry(result: InstanceResult, index: int, place: Georeference) -> dict[str, Any]:
    """Return the outline of an instance, outer rings counter-clockwise in the coordinates."""
    from affine import Affine
    from rasterio.features import shapes
    from shapely import box, union_all
    from shapely.affinity import affine_transform
    from shapely.geometry import mapping, shape
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
        outline = type(outline)([orient(part) for part in outline.geoms])
    else:
        outline = orient(outline)
    plain: dict[str, Any] = mapping(outline)
    return plain
