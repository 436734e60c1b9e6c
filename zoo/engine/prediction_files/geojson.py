# SPDX-License-Identifier: Apache-2.0
"""Instances as GeoJSON, in the coordinates of the image that shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo.engine.scenes.ground_outlines import areas_of_outlines, outlines_in_place

if TYPE_CHECKING:
    from zoo.engine.prediction.results import InstanceResult

__all__ = ["geojson_text"]


def geojson_text(result: InstanceResult) -> str:
    """Return a FeatureCollection with a polygon along the pixel edges for each instance.

    Coordinates are in the image's own reference system, which the member ``crs`` names, as in
    GeoJSON of 2008 and as GDAL and QGIS read it; RFC 7946 allows only longitude and latitude.
    Without masks, boxes are written. ``area_m2`` is the outline's area on the ellipsoid, as
    :mod:`zoo.engine.scenes.ground_area` measures it.

    Args:
        result: The result for an image with a georeference.

    Raises:
        ValueError: It has none.
    """
    from shapely.geometry import mapping

    place = result.georeference
    if place is None:
        message = "an image without coordinates has no GeoJSON"
        raise ValueError(message)
    outlines = outlines_in_place(result.boxes, result.masks, place)
    areas_m2 = areas_of_outlines(outlines, place)
    areas_px, scores = result.areas_px.tolist(), result.scores.tolist()
    features = []
    for index, (outline, area_m2) in enumerate(zip(outlines, areas_m2, strict=True)):
        properties = {
            "class": result.classes[result.class_ids[index]],
            "score": round(scores[index], 4),
            "area_px": areas_px[index],
        }
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
