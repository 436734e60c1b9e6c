# SPDX-License-Identifier: Apache-2.0
"""Measures against formulas: of the ellipsoid, and of figures in a plane."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyproj
import pytest
import shapely

from zoo.interfaces import Labels

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


@pytest.fixture
def bar() -> Any:
    """Return a mask of 40 x 10 px."""
    mask = np.zeros((60, 60), np.uint8)
    mask[20:30, 10:50] = 1
    return mask


def test_degrees_are_measured_on_the_ellipsoid(
    bar: Any,
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """40 x 10 px of a hundred-thousandth of a degree, at 52 degrees north."""
    px = 1e-5
    place = {"crs": "urn:ogc:def:crs:OGC:1.3:CRS84", "transform": (px, 0, 8.0, 0, -px, 52.0)}

    layer = read_layer(write("gpkg", instances([bar], **place), tmp_path)[0])

    west, north = 8 + 10 * px, 52 - 20 * px
    geod = pyproj.Geod(ellps="WGS84")
    _, _, length_m = geod.inv(west, north - 5 * px, west + 40 * px, north - 5 * px)
    _, _, width_m = geod.inv(west, north, west, north - 10 * px)
    found = {name: values[0] for name, values in layer.columns.items()}
    area_m2 = cell_area_m2(west, north - 10 * px, west + 40 * px, north)
    assert found["area_m2"] == pytest.approx(area_m2, rel=1e-6, abs=1e-3)
    assert found["length_m"] == pytest.approx(length_m, rel=1e-5, abs=1e-3)
    assert found["width_m"] == pytest.approx(width_m, rel=1e-5, abs=1e-3)
    assert found["diameter_m"] == pytest.approx(2 * math.sqrt(area_m2 / math.pi), abs=2e-3)
    assert found["centre_x"] == pytest.approx(west + 20 * px, abs=px / 50)
    assert found["centre_y"] == pytest.approx(north - 5 * px, abs=px / 50)
    assert layer.crs == "EPSG:4326"


@pytest.mark.parametrize(
    ("crs", "origin", "tolerance"),
    [
        ("EPSG:32631", (500_000.0, 5_000_000.0), 1e-5),
        ("EPSG:3857", (900_000.0, 6_800_000.0), 1e-5),
        ("EPSG:3035", (4_000_000.0, 3_000_000.0), 1e-3),
    ],
)
def test_measures_do_not_depend_on_the_projection(
    bar: Any,
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
    crs: str,
    origin: tuple[float, float],
    tolerance: float,
) -> None:
    """Web Mercator is 1.6 times too long at 52 degrees; geodesics between the corners are not."""
    place = {"crs": crs, "transform": (2.0, 0, origin[0], 0, -2.0, origin[1])}

    layer = read_layer(write("gpkg", instances([bar], **place), tmp_path)[0])

    to_degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    left, top = origin[0] + 20, origin[1] - 40
    corners = [(left, top), (left + 80, top), (left + 80, top - 20), (left, top - 20)]
    degrees = [to_degrees.transform(*corner) for corner in corners]
    geod = pyproj.Geod(ellps="WGS84")
    _, _, length_m = geod.inv(*degrees[0], *degrees[1])
    _, _, width_m = geod.inv(*degrees[1], *degrees[2])
    area_m2 = abs(geod.geometry_area_perimeter(shapely.Polygon(degrees))[0])
    assert layer.columns["length_m"][0] == pytest.approx(length_m, rel=tolerance, abs=1e-3)
    assert layer.columns["width_m"][0] == pytest.approx(width_m, rel=tolerance, abs=1e-3)
    assert layer.columns["area_m2"][0] == pytest.approx(area_m2, rel=tolerance, abs=1e-3)


def test_roundness_and_diameter_of_figures(
    bar: Any, instances: Callable[..., Labels], write: Callable[..., Any], tmp_path: Path
) -> None:
    """A disc is round, a square fills 2/pi of its circle, a bar of 4:1 16/(17 pi) of it."""
    disc, square = np.zeros((2, 300, 300), np.uint8)
    cv2.circle(disc, (150, 150), 100, 1, -1)
    square[100:200, 50:150] = 1
    wide = np.zeros((300, 300), np.uint8)
    wide[:60, :60] = bar
    plain = {"crs": None, "transform": None}

    path, _ = write("csv", instances([disc, square, wide], **plain), tmp_path)

    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    found = [{name: float(row[name]) for name in list(row)[4:]} for row in rows]
    assert [each["area_px"] for each in found] == [disc.sum(), 10_000, 400]
    assert found[0]["roundness"] == pytest.approx(1, abs=0.02)
    assert found[1]["roundness"] == pytest.approx(2 / math.pi, abs=1e-3)
    assert found[2]["roundness"] == pytest.approx(16 / (17 * math.pi), abs=1e-3)
    assert found[0]["diameter_px"] == pytest.approx(201, abs=1)
    assert [found[2][name] for name in ("length_px", "width_px")] == [40, 10]
    assert [found[2][name] for name in ("centre_x_px", "centre_y_px")] == [30, 25]


def test_slanted_bar_has_its_own_length(
    instances: Callable[..., Labels], write: Callable[..., Any], tmp_path: Path
) -> None:
    """Sides of the smallest rectangle, not of the one along the rows."""
    mask = np.zeros((300, 300), np.uint8)
    corners = cv2.boxPoints(((150, 150), (200, 40), 30))
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)

    path, _ = write("csv", instances([mask], crs=None, transform=None), tmp_path)

    (row,) = csv.DictReader(path.open(encoding="utf-8"))
    assert float(row["length_px"]) == pytest.approx(200, abs=4)
    assert float(row["width_px"]) == pytest.approx(40, abs=4)
