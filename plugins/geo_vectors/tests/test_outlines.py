# SPDX-License-Identifier: Apache-2.0
"""Outlines of drawn label maps and masks: none is lost, all are valid, and as near as stated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

PX_M = 0.5
ROUNDING_M = 0.01 * PX_M  # coordinates have the digits of a hundredth of a pixel


@st.composite
def _ids(draw: Any, most: int) -> NDArray[np.uint8]:
    """Draw ids of classes in blocks, some of them speckled."""
    rows, columns = draw(st.integers(2, 7)), draw(st.integers(2, 7))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    blocks = random.integers(0, most + 1, (rows, columns)).astype(np.uint8)
    side = draw(st.sampled_from([1, 3, 5]))
    ids: NDArray[np.uint8] = np.kron(blocks, np.ones((side, side), np.uint8))
    speckled = random.random(ids.shape) < draw(st.sampled_from([0.0, 0.1]))
    ids[speckled] = random.integers(0, most + 1, int(speckled.sum()))
    if draw(st.booleans()):  # borders that are neither rows nor columns
        ids = cv2.resize(ids, None, fx=2.3, fy=3.1, interpolation=cv2.INTER_NEAREST)
        turn = cv2.getRotationMatrix2D((ids.shape[1] / 2, ids.shape[0] / 2), 31, 1.0)
        ids = cv2.warpAffine(ids, turn, ids.shape[::-1], flags=cv2.INTER_NEAREST)
    return ids


def _squares(mask: NDArray[Any]) -> Any:
    """Return the union of the pixels of a mask, in the coordinates of the image."""
    rows, columns = np.nonzero(mask)
    x, y = 500_000 + PX_M * columns, 5_000_000 - PX_M * rows
    return shapely.union_all(shapely.box(x, y - PX_M, x + PX_M, y))


def _regions(ids: NDArray[np.uint8]) -> list[Any]:
    found = []
    for number in set(ids.ravel().tolist()) - {0}:
        count, parts = cv2.connectedComponents((ids == number).astype(np.uint8), connectivity=4)
        found += [_squares(parts == part) for part in range(1, count)]
    return found


def _rings(shape: Any) -> tuple[int, int]:
    parts = shapely.get_parts(shape)
    return len(parts), int(shapely.get_num_interior_rings(parts).sum())


def _check_near(found: Any, exact: Any, tolerance: float) -> None:
    """Check that two outlines have the same parts and holes, and lie as near as stated."""
    assert shapely.is_valid(found)
    assert _rings(found) == _rings(exact)
    old, new = shapely.boundary(exact), shapely.boundary(found)
    points = shapely.get_coordinates(shapely.segmentize(old, PX_M / 4))
    distance = shapely.distance(new, shapely.points(points)).max()
    assert distance <= tolerance * PX_M + ROUNDING_M


@settings(max_examples=15)
@given(ids=_ids(3), tolerance=st.sampled_from([0.5, 1.0, 2.0]))
def test_label_map_becomes_its_connected_regions(
    ids: NDArray[np.uint8],
    tolerance: float,
    label_map: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
) -> None:
    """Along the pixel edges they are the pixels; simplified, they tile the same area."""
    with TemporaryDirectory() as folder:
        path, report = write("gpkg", label_map(ids), Path(folder), tolerance=0.0)
        exact = read_layer(path)
        path, _ = write("gpkg", label_map(ids), Path(folder), tolerance=tolerance)
        simple = read_layer(path)

    expected = _regions(ids)
    assert report.counts == {"objects": len(expected)}
    assert report.dropped == []
    # No two regions that meet at sides have the same bounds, so these tell them apart.
    in_order = (sorted(shapes, key=lambda each: each.bounds) for shapes in (exact.shapes, expected))
    assert all(shapely.equals(found, whole) for found, whole in zip(*in_order, strict=True))
    assert exact.columns["id"] == simple.columns["id"] == list(range(1, len(expected) + 1))
    for id_, shape in simple.by_id().items():
        _check_near(shape, exact.by_id()[id_], tolerance)
    if len(simple.shapes):
        shared = shapely.area(simple.shapes).sum() - shapely.area(shapely.union_all(simple.shapes))
        assert shared == pytest.approx(0, abs=ROUNDING_M**2 * ids.size)


@settings(max_examples=20)
@given(
    ids=st.lists(_ids(1), min_size=1, max_size=3), tolerance=st.sampled_from([0.0, 0.5, 1.0, 2.0])
)
def test_instance_stays_one_object_with_its_parts_and_holes(
    ids: list[NDArray[np.uint8]],
    tolerance: float,
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
) -> None:
    """Instances may overlap; an empty mask is counted."""
    masks = [np.zeros((120, 120), bool) for _ in ids]
    for mask, drawn in zip(masks, ids, strict=True):
        mask[: drawn.shape[0], : drawn.shape[1]] = drawn[:120, :120]

    with TemporaryDirectory() as folder:
        path, report = write("gpkg", instances(masks), Path(folder), tolerance=tolerance)
        layer = read_layer(path)

    expected = {id_: _squares(mask) for id_, mask in enumerate(masks, 7) if mask.any()}
    assert layer.columns["id"] == list(expected)
    assert len(report.dropped) == len(masks) - len(expected)
    for id_, shape in layer.by_id().items():
        _check_near(shape, expected[id_], tolerance)


def test_slanted_border_has_no_stairs(
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """A disc and a slanted bar: few points, and no two steps of a pixel one after the other."""
    disc, bar = np.zeros((2, 100, 100), np.uint8)
    cv2.circle(disc, (50, 50), 30, 1, -1)
    cv2.fillPoly(bar, [np.array([[10, 20], [80, 60], [75, 70], [5, 30]])], 1)

    exact = read_layer(write("gpkg", instances([disc, bar]), tmp_path, tolerance=0.0)[0])
    simple = read_layer(write("gpkg", instances([disc, bar]), tmp_path)[0])

    for stairs, straight, few in zip(exact.shapes, simple.shapes, (30, 12), strict=True):
        points = shapely.get_coordinates(straight)
        assert len(points) <= few < len(shapely.get_coordinates(stairs)) / 3
        steps = np.abs(np.diff(points, axis=0))
        is_step = (steps.min(axis=1) < 1e-6) & (steps.max(axis=1) <= 1.01 * PX_M)
        assert not (is_step[1:] & is_step[:-1]).any()
        assert straight.area == pytest.approx(stairs.area, abs=0.5 * PX_M * straight.length)


def test_drawn_polygon_keeps_its_hole_and_a_box_its_sides(
    write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    ring = LabelledPolygon(
        outline=(2.5, 2.5, 30.0, 2.5, 30.0, 20.0, 2.5, 20.0),
        holes=((5.0, 5.0, 9.0, 5.0, 9.0, 9.0, 5.0, 9.0),),
    )
    objects = (
        LabelledObject(label="x", polygons=(ring,), id=1, score=0.5),
        LabelledObject(label="x", box=(1.0, 2.0, 4.0, 8.0), id=2, score=0.25),
    )
    place: dict[str, Any] = {
        "crs": "EPSG:32631",
        "transform": (1.0, 0.0, 500_000.0, 0.0, -1.0, 5_000_000.0),
    }
    image = LabelledImage(name="a.tif", size=(40, 40), objects=objects, **place)

    path, _ = write("geojson", Labels(classes=("x",), images=(image,)), tmp_path)

    layer = read_layer(path)
    assert shapely.area(layer.shapes).tolist() == [27.5 * 17.5 - 16, 18.0]
    assert layer.columns["area_px"] == [27.5 * 17.5 - 16, 18.0]
    assert layer.shapes[1].bounds == (500_001, 4_999_992, 500_004, 4_999_998)
