# SPDX-License-Identifier: Apache-2.0
"""Masks with holes and parts as GeoJSON: the rings hold the mask's pixels, by another program."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
pytest.importorskip("rasterio")

STEP = 0.5


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    share=st.sampled_from([0.3, 0.7, 0.9]),
)
def test_rings_of_any_mask_hold_its_pixels(
    seed: int, height: int, width: int, share: float
) -> None:
    """Burnt back by rasterio, and with the area of the pixels by the shoelace of every ring."""
    from rasterio.features import rasterize
    from rasterio.transform import Affine

    from zoo.engine.prediction.results import InstanceResult
    from zoo.engine.prediction_files.geojson import geojson_text
    from zoo.engine.scenes.roi_mask import RoiMask
    from zoo.engine.scenes.scene import Georeference

    pixels = np.random.default_rng(seed).random((height, width)) < share
    mask = RoiMask.cut(pixels, 3, 4)
    if mask is None:
        return
    transform = (STEP, 0.0, 500_000.0, 0.0, -STEP, 4_000_000.0)
    result = InstanceResult(
        boxes=np.array([mask.box], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([0]),
        masks=(mask,),
        classes=("roof",),
        palette=((1, 2, 3),),
        counts_at={},
        score_thr=0.5,
        height_px=20,
        width_px=20,
        windows=1,
        meta={},
        shown=np.zeros((20, 20, 3), np.uint8),
        georeference=Georeference("urn:ogc:def:crs:EPSG::32631", transform, "EPSG:32631"),
    )

    (feature,) = json.loads(geojson_text(result))["features"]

    geometry = feature["geometry"]
    burnt = rasterize([geometry], (20, 20), transform=Affine(*transform))
    assert np.array_equal(burnt.astype(bool), result.mask(0))
    polygons = geometry["coordinates"]
    polygons = [polygons] if geometry["type"] == "Polygon" else polygons
    areas = [[_signed_area(ring) for ring in rings] for rings in polygons]
    assert all(rings[0] > 0 and max(rings[1:], default=-1.0) < 0 for rings in areas)
    assert sum(map(sum, areas)) == pytest.approx(mask.area_px * STEP**2)


def _signed_area(ring: list[list[float]]) -> float:
    """Return the area of a closed ring, above 0 where it runs counter-clockwise."""
    points = np.array(ring) - ring[0]
    x, y = points[:, 0], points[:, 1]
    return float(0.5 * (x[:-1] @ y[1:] - x[1:] @ y[:-1]))
