# SPDX-License-Identifier: Apache-2.0
"""Areas on the ground, against a formula of the ellipsoid and an equal-area projection."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mm
pyproj = pytest.importorskip("pyproj")
shapely = pytest.importorskip("shapely")

from shapely import Polygon, box  # noqa: E402 (after the skip)

from zoo.engine.prediction.results import InstanceResult  # noqa: E402
from zoo.engine.prediction_files.geojson import geojson_text  # noqa: E402
from zoo.engine.scenes.ground_area import ground_area_of  # noqa: E402
from zoo.engine.scenes.roi_mask import RoiMask  # noqa: E402
from zoo.engine.scenes.scene import Georeference  # noqa: E402

_A, _B = 6378137.0, 6356752.314245179  # WGS 84
_E2 = 1 - (_B / _A) ** 2


def cell_area_m2(west: float, south: float, east: float, north: float) -> float:
    """Return the area between meridians and parallels, in closed form.

    Source: Snyder 1987, "Map projections", equation 3-12: q of the authalic latitude.
    """
    e = math.sqrt(_E2)

    def q(latitude: float) -> float:
        sine = math.sin(math.radians(latitude))
        logarithm = math.log((1 - e * sine) / (1 + e * sine)) / (2 * e)
        return (1 - _E2) * (sine / (1 - _E2 * sine**2) - logarithm)

    return math.radians(east - west) * _A**2 * (q(north) - q(south)) / 2


def integrated_area_m2(outline: Polygon, crs: Any) -> float:
    """Return an outline's area by its points in an equal-area projection, finely divided."""
    to_equal = pyproj.Transformer.from_crs(crs, "EPSG:6933", always_xy=True)
    divided = shapely.segmentize(outline, outline.length / 20_000)
    x, y = to_equal.transform(*np.asarray(divided.exterior.coords).T)
    x, y = x - x.mean(), y - y.mean()
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2


def measure(crs: Any, outline: Any, step: float) -> float:
    ground = ground_area_of(pyproj.CRS.from_user_input(crs).to_wkt())
    assert ground is not None
    area_m2 = ground.of(outline, step=step)
    assert area_m2 is not None
    return area_m2


@pytest.mark.parametrize("latitude", [-80.0, -38.0, 0.0, 0.5, 38.0, 60.0, 85.0])
@pytest.mark.parametrize("side", [1e-4, 0.01, 1.0])
def test_cell_of_degrees_has_the_area_of_the_ellipsoid(latitude: float, side: float) -> None:
    """Its northern and southern edges are parallels, and no geodesics."""
    cell = (12.0, latitude, 12.0 + side, latitude + side)

    measured = measure("EPSG:4326", box(*cell), side / 64)

    assert measured == pytest.approx(cell_area_m2(*cell), rel=1e-6)


@pytest.mark.parametrize(("latitude", "factor"), [(0.0, 1.0), (38.0, 1.61), (60.0, 3.98)])
def test_web_mercator_is_not_taken_for_metres(latitude: float, factor: float) -> None:
    """A square of it is smaller on the ground by the square of its scale."""
    to_map = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    x, y = to_map.transform(10.0, latitude)
    square = box(x, y, x + 500, y + 500)

    measured = measure("EPSG:3857", square, 1.0)

    assert 250_000 / measured == pytest.approx(factor, rel=0.01)
    west, south = to_map.transform(x, y, direction="INVERSE")
    east, north = to_map.transform(x + 500, y + 500, direction="INVERSE")
    assert measured == pytest.approx(cell_area_m2(west, south, east, north), rel=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:3857", "EPSG:2154", "EPSG:3035", "EPSG:2263"])
def test_outline_has_the_area_that_an_equal_area_projection_gives(crs: str) -> None:
    """A star, in metres and in feet, near the middle of each system's own area."""
    system = pyproj.CRS.from_user_input(crs)
    west, south, east, north = system.area_of_use.bounds
    to_map = pyproj.Transformer.from_crs("EPSG:4326", system, always_xy=True)
    x, y = to_map.transform((west + east) / 2 + 0.1, (south + north) / 2 + 0.1)
    turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    reach = np.where(np.arange(10) % 2, 300, 900)
    star = Polygon(np.column_stack([x + reach * np.cos(turns), y + reach * np.sin(turns)]))

    assert measure(crs, star, 1.0) == pytest.approx(integrated_area_m2(star, system), rel=2e-6)


def test_holes_are_left_out_and_parts_are_added() -> None:
    outer, hole, other = box(0, 0, 1, 1), box(0.25, 0.25, 0.5, 0.5), box(2, 0, 3, 1)
    ring = outer.difference(hole)
    both = shapely.MultiPolygon([ring, other])

    expected = 2 * cell_area_m2(0, 0, 1, 1) - cell_area_m2(0.25, 0.25, 0.5, 0.5)
    assert measure("EPSG:4326", both, 0.01) == pytest.approx(expected, rel=1e-6)


def test_system_in_grads_is_measured_in_degrees() -> None:
    """NTF (Paris), where a right angle has 100 of them."""
    cell = box(1.0, 50.0, 1.01, 50.01)

    ellipsoid = pyproj.CRS("EPSG:4807").ellipsoid
    assert ellipsoid is not None
    factor = (ellipsoid.semi_major_metre / _A) ** 2
    expected = cell_area_m2(0.9, 45.0, 0.909, 45.009) * factor
    assert measure("EPSG:4807", cell, 1e-4) == pytest.approx(expected, rel=1e-4)


def test_system_without_an_ellipsoid_has_no_area(caplog: pytest.LogCaptureFixture) -> None:
    """A building's own metres; said once."""
    wkt = 'LOCAL_CS["site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
    ground_area_of.cache_clear()

    with caplog.at_level(logging.WARNING, "zoo"):
        assert ground_area_of(wkt) is None
        assert ground_area_of(wkt) is None

    assert caplog.text.count("area_m2 is left out") == 1


def test_outline_beyond_the_projection_has_no_area() -> None:
    ground = ground_area_of(pyproj.CRS("EPSG:32631").to_wkt())
    assert ground is not None

    assert ground.of(box(1e12, 1e12, 2e12, 2e12), step=1e10) is None


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_geojson_states_the_area_of_the_ground(crs: str) -> None:
    """A mask of 4 x 6 px at 60 degrees, in degrees and in Web Mercator."""
    to_map = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = to_map.transform(10.0, 60.0)
    pixel = 1e-5 if crs == "EPSG:4326" else 2.0
    wkt = pyproj.CRS(crs).to_wkt()
    place = Georeference("x", (pixel, 0.0, x, 0.0, -pixel, y), wkt)
    mask = RoiMask(np.ones((4, 6), np.bool_), left_px=3, top_px=5)
    result = InstanceResult(
        boxes=np.array([[3, 5, 9, 9]], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([0]),
        masks=(mask,),
        classes=("tank",),
        palette=((1, 2, 3),),
        counts_at={},
        score_thr=0.5,
        height_px=20,
        width_px=30,
        windows=1,
        meta={},
        shown=np.zeros((20, 30), np.uint8),
        georeference=place,
    )

    (feature,) = json.loads(geojson_text(result))["features"]

    corners = [(x + 3 * pixel, y - 9 * pixel), (x + 9 * pixel, y - 5 * pixel)]
    (west, south), (east, north) = (to_map.transform(*c, direction="INVERSE") for c in corners)
    expected = cell_area_m2(west, south, east, north)
    assert feature["properties"]["area_px"] == 24
    assert feature["properties"]["area_m2"] == pytest.approx(expected, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("latitude", [-60.0, 0.0, 45.0])
@pytest.mark.parametrize("shape", [(1, 1), (7, 50), (300, 200)])
def test_area_of_labels_is_the_sum_of_their_pixels(latitude: float, shape: tuple[int, int]) -> None:
    """Pixels of degrees shrink towards the poles; each row has its own area in closed form."""
    from zoo.engine.scenes.ground_outlines import areas_of_labels

    step = 0.001
    labels = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    labels[: shape[0] // 3] = 1
    wkt = pyproj.CRS.from_epsg(4326).to_wkt()
    place = Georeference("x", (step, 0.0, 10.0, 0.0, -step, latitude), wkt)

    areas_m2 = areas_of_labels(labels, place)

    assert areas_m2 is not None
    expected = np.zeros(256)
    for row in range(shape[0]):
        north = latitude - row * step
        pixel_m2 = cell_area_m2(10.0, north - step, 10.0 + step, north)
        expected += np.bincount(labels[row], minlength=256) * pixel_m2
    np.testing.assert_allclose(areas_m2, expected, rtol=2e-4)
