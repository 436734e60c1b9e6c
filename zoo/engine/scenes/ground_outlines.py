# SPDX-License-Identifier: Apache-2.0
"""Instances of an image with coordinates: their outlines and their areas on the ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data import count_labels
from zoo.engine.scenes.ground_area import ground_area_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.engine.scenes.roi_mask import RoiMask
    from zoo.engine.scenes.scene import Georeference

__all__ = ["areas_of_labels", "areas_of_outlines", "outlines_in_place"]

_MOST_CELLS = 16  # per side; within a cell all pixels have the same area on the ground


def outlines_in_place(
    boxes: NDArray[np.floating], masks: Sequence[RoiMask] | None, place: Georeference
) -> list[Any]:
    """Return the outline of each instance along the pixel edges, as shapely polygons.

    Outer rings run counter-clockwise in the coordinates.

    Args:
        boxes: ``(K, 4)`` xyxy in px of the image.
        masks: K masks; None means the outlines of the boxes.
        place: Location of the image.

    Raises:
        ImportError: shapely, rasterio or affine is not installed.
    """
    if masks is None:
        return [_box(box, place) for box in boxes.tolist()]
    return [_mask(mask, place) for mask in masks]


def areas_of_outlines(outlines: Sequence[Any], place: Georeference) -> list[float | None]:
    """Return the area of each outline on the ellipsoid in m^2, or None if unknown.

    Args:
        outlines: As `outlines_in_place` returns them.
        place: Location of the image.
    """
    ground = ground_area_of(place.wkt)
    if ground is None:
        return [None] * len(outlines)
    a, b, _, d, e, _ = place.transform
    step = min(math.hypot(a, d), math.hypot(b, e))
    return [ground.of(outline, step=step) for outline in outlines]


def areas_of_labels(labels: NDArray[np.uint8], place: Georeference) -> NDArray[np.float64] | None:
    """Return the area of each id of a label map on the ellipsoid, ``(256,)`` m^2; None if unknown.

    Within each cell of a grid of 16 x 16 all pixels count as equally large.

    Args:
        labels: ``(H, W)``.
        place: Location of the image.

    Raises:
        ImportError: shapely or affine is not installed.
    """
    rows, columns = (_edges(side) for side in labels.shape)
    cells = [
        (left, top, right, bottom)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]
    areas_m2 = areas_of_outlines(outlines_in_place(np.array(cells, float), None, place), place)
    total = np.zeros(256)
    for (left, top, right, bottom), area_m2 in zip(cells, areas_m2, strict=True):
        if area_m2 is None:
            return None
        counts = count_labels(labels[top:bottom, left:right])
        total += counts * (area_m2 / ((right - left) * (bottom - top)))
    return total


def _edges(side_px: int) -> list[int]:
    cells = min(side_px, _MOST_CELLS)
    return [side_px * index // cells for index in range(cells + 1)]


def _box(box: Sequence[float], place: Georeference) -> Any:
    import shapely
    from shapely.affinity import affine_transform
    from shapely.geometry.polygon import orient

    a, b, c, d, e, f = place.transform
    return orient(affine_transform(shapely.box(*box), [a, b, d, e, c, f]))


def _mask(mask: RoiMask, place: Georeference) -> Any:
    from affine import Affine
    from rasterio.features import shapes
    from shapely import union_all
    from shapely.geometry import shape
    from shapely.geometry.polygon import orient

    a, b, c, d, e, f = place.transform
    x = a * mask.left_px + b * mask.top_px + c
    y = d * mask.left_px + e * mask.top_px + f
    moved = Affine(a, b, x, d, e, y)
    parts = shapes(mask.pixels.astype(np.uint8), mask=mask.pixels, transform=moved)
    # Pixels that only touch at a corner are separate parts, so every ring is simple.
    outline = union_all([shape(part) for part, _ in parts])
    if outline.geom_type == "MultiPolygon":
        return type(outline)([orient(part) for part in outline.geoms])
    return orient(outline)
