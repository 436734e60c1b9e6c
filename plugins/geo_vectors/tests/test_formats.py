# SPDX-License-Identifier: Apache-2.0
"""Columns, ids, filters, reference systems, styles, and what a format cannot say."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyproj
import pytest
import shapely
from zoo_geo_vectors import formats

from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels

UTM: dict[str, Any] = {
    "crs": "EPSG:32631",
    "transform": (0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0),
}
COLUMNS = [
    *("id", "image", "class", "score", "area_px", "area_m2", "length_m", "width_m"),
    *("diameter_m", "roundness", "centre_x", "centre_y"),
]


@pytest.fixture
def two(instances: Callable[..., Labels]) -> Labels:
    """Return a square of 10 px and a bar of 40 x 2 px as instances 7 and 8."""
    square, bar = np.zeros((2, 60, 60), np.uint8)
    square[5:15, 5:15] = 1
    bar[40:42, 10:50] = 1
    return instances([square, bar])


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp"])
def test_each_format_holds_the_same(
    two: Labels,
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
    kind: str,
) -> None:
    layer = read_layer(write(kind, two, tmp_path)[0])

    assert layer.crs == "EPSG:32631"
    assert list(layer.columns) == COLUMNS
    assert layer.columns["id"] == [7, 8]
    assert layer.columns["image"] == ["a.tif"] * 2
    assert layer.columns["class"] == ["tank"] * 2
    assert layer.columns["score"] == [0.9] * 2
    assert layer.columns["area_px"] == [100, 80]
    bounds = shapely.bounds(layer.shapes).tolist()
    assert bounds[0] == [500_002.5, 4_999_992.5, 500_007.5, 4_999_997.5]
    assert bounds[1] == [500_005.0, 4_999_979.0, 500_025.0, 4_999_980.0]


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp"])
def test_wgs84_is_written_on_request(
    two: Labels,
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
    kind: str,
) -> None:
    """Longitude first, with the digits of a hundredth of a pixel; measures stay as they are."""
    own = read_layer(write(kind, two, tmp_path)[0])

    degrees = read_layer(write(kind, two, tmp_path, crs="EPSG:4326")[0])

    assert degrees.crs == "EPSG:4326"
    for name in COLUMNS[:-2]:
        assert degrees.columns[name] == own.columns[name]
    back = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    for old, new in zip(own.shapes, degrees.shapes, strict=True):
        moved = shapely.transform(new, lambda xy: np.column_stack(back.transform(*xy.T)))
        assert shapely.hausdorff_distance(old, moved) < 0.01
    numbers = shapely.get_coordinates(degrees.shapes).ravel()
    assert np.abs(numbers - numbers.round(8)).max() < 1e-12


def test_rings_of_geojson_turn_as_its_standard_says(
    two: Labels, write: Callable[..., Any], tmp_path: Path
) -> None:
    path, _ = write("geojson", two, tmp_path, crs="EPSG:4326")

    content = json.loads(path.read_text("utf-8"))

    assert content["crs"]["properties"]["name"].endswith("CRS84")
    for feature in content["features"]:
        assert shapely.LinearRing(feature["geometry"]["coordinates"][0]).is_ccw


def test_what_is_filtered_is_counted(
    two: Labels, write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    """The square has 25 m² and fills 0.64 of its circle; the bar has 20 m² and is thin."""
    small, told = write("gpkg", two, tmp_path, min_area=21.0)
    assert read_layer(small).columns["id"] == [7]
    assert [(line.file, line.text) for line in told.dropped] == [
        ("a.tif: object 8", "smaller than 21 m²")
    ]

    flat, told = write("gpkg", two, tmp_path, min_roundness=0.5)
    assert read_layer(flat).columns["id"] == [7]
    assert [line.text for line in told.dropped] == ["less round than 0.5"]

    none, told = write("gpkg", two, tmp_path, min_area=1e6)
    assert read_layer(none).columns["id"] == []
    assert len(told.dropped) == 2


def test_classes_are_chosen_and_ids_stay(
    label_map: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    ids = np.repeat(np.array([[1, 2, 3, 2]], np.uint8), 10, axis=0).repeat(10, axis=1)

    path, report = write("gpkg", label_map(ids), tmp_path, classes=("b",))

    layer = read_layer(path)
    assert layer.columns["class"] == ["b", "b"]
    assert layer.columns["id"] == [2, 3]
    assert len(report.dropped) == 2
    with pytest.raises(DataError, match=r"the class 'B': the model finds \('a', 'b', 'c'\)"):
        write("gpkg", label_map(ids), tmp_path, classes=("B",))


def test_image_without_coordinates_is_counted_and_a_batch_of_them_refused(
    two: Labels, write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    (image,) = two.images
    bare = LabelledImage(name="b.png", size=image.size, objects=image.objects)

    path, report = write("gpkg", replace(two, images=(image, bare)), tmp_path)

    assert read_layer(path).columns["image"] == ["a.tif"] * 2
    assert [line.file for line in report.dropped] == ["b.png"]
    with pytest.raises(DataError, match="no image has coordinates") as caught:
        write("gpkg", replace(two, images=(bare,)), tmp_path)
    assert "--format csv" in str(caught.value.hint)


def test_table_holds_images_with_and_without_coordinates(
    two: Labels, write: Callable[..., Any], tmp_path: Path
) -> None:
    """Each has the columns of its unit, and empty ones of the other."""
    (image,) = two.images
    bare = LabelledImage(name='b,"ö".png', size=image.size, objects=image.objects)

    path, report = write("csv", replace(two, images=(image, bare)), tmp_path)

    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    assert [row["image"] for row in rows] == ["a.tif"] * 2 + ['b,"ö".png'] * 2
    assert [row["area_m2"] != "" for row in rows] == [True, True, False, False]
    assert [row["length_px"] for row in rows] == ["", "", "10.0", "40.0"]
    assert [row["crs"] for row in rows] == ["EPSG:32631"] * 2 + [""] * 2
    assert report.counts == {"objects": 4}
    placed, _ = write("csv", two, tmp_path)
    header = placed.read_text("utf-8").splitlines()[0]
    assert header == ",".join([*COLUMNS, "crs"])


def test_images_of_several_systems_need_one(
    two: Labels, write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    (image,) = two.images
    other = replace(image, name="b.tif", crs="EPSG:32632")
    both = replace(two, images=(image, other))

    with pytest.raises(DataError, match="2 reference systems: EPSG:32631, EPSG:32632"):
        write("gpkg", both, tmp_path)

    layer = read_layer(write("gpkg", both, tmp_path, crs="EPSG:4326")[0])
    assert len(layer.shapes) == 4


def test_geojson_needs_a_system_with_a_code(
    two: Labels, write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    """A GeoPackage holds the whole system."""
    (image,) = two.images
    own = pyproj.CRS.from_proj4("+proj=tmerc +lat_0=45 +lon_0=3.01 +ellps=WGS84").to_wkt()
    labels = replace(two, images=(replace(image, crs=own),))

    with pytest.raises(DataError, match="it names systems by their codes"):
        write("geojson", labels, tmp_path)

    layer = read_layer(write("gpkg", labels, tmp_path)[0])
    assert pyproj.CRS.from_user_input(layer.crs).to_authority() is None
    assert layer.columns["area_m2"][0] > 0


def test_shapefile_cuts_a_long_text_and_counts_it(
    two: Labels, write: Callable[..., Any], read_layer: Callable[[Path], Any], tmp_path: Path
) -> None:
    (image,) = two.images
    long = "ö" * 200
    objects = tuple(replace(each, label=long) for each in image.objects)
    labels = Labels(classes=(long,), images=(replace(image, objects=objects),))

    path, report = write("shp", labels, tmp_path)

    assert [line.file for line in report.repaired] == [long]
    assert read_layer(path).columns["class"] == ["ö" * 127] * 2
    assert max(map(len, COLUMNS)) == 10
    names = {each.suffix for each in tmp_path.iterdir()}
    assert names == {".shp", ".shx", ".dbf", ".prj", ".cpg", ".qml"}


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp"])
def test_style_has_the_colour_of_each_class(
    two: Labels, write: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    path, _ = write(kind, two, tmp_path)

    root = ElementTree.parse(path.with_suffix(".qml")).getroot()

    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert renderer.attrib["attr"] == "class"
    assert [each.attrib["value"] for each in renderer.iter("category")] == ["tank"]
    colors = [
        each.attrib["value"] for each in root.iter("Option") if "color" in each.get("name", "")
    ]
    assert [each.rsplit(",", 1)[0] for each in colors] == ["220,20,60"] * 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tolerance": -1.0}, "tolerance is -1.0, expected a number from 0 on"),
        ({"min_roundness": 1.5}, "min-roundness is 1.5, expected a number from 0 to 1"),
        ({"min_area": float("nan")}, "min-area is nan, expected a number from 0 on"),
        ({"crs": "EPSG:1"}, "the reference system 'EPSG:1': PROJ does not know it"),
    ],
)
def test_option_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        formats.GeoPackage(**options)


def test_file_is_replaced_as_a_whole(
    two: Labels,
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """What an earlier batch found is gone, and nothing else lies beside it."""
    write("gpkg", two, tmp_path)
    one = np.ones((60, 60), np.uint8)

    path, _ = write("gpkg", instances([one]), tmp_path)

    assert read_layer(path).columns["area_px"] == [3600]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["found.gpkg", "found.qml"]


def test_region_has_the_same_number_in_every_format(
    label_map: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """Although an image without coordinates is in the table alone."""
    ids = np.zeros((30, 30), np.uint8)
    ids[2:5, 2:5], ids[2:5, 9:12], ids[20:25, 20:25] = 1, 1, 2
    labels = label_map(ids)
    (image,) = labels.images
    bare = LabelledImage(name="b.png", size=image.size, objects=image.objects)
    both = replace(labels, images=(bare, image))

    layer = read_layer(write("gpkg", both, tmp_path)[0])

    table, _ = write("csv", both, tmp_path)
    rows = list(csv.DictReader(table.open(encoding="utf-8", newline="")))
    numbers = [int(row["id"]) for row in rows if row["image"] == "a.tif"]
    assert layer.columns["id"] == numbers == [4, 5, 6]


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp", "csv"])
def test_box_without_an_area_is_counted(
    write: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """A detector's box may be cut to nothing at the edge of an image."""
    objects = tuple(
        LabelledObject(label="x", box=(1.0, 2.0, right, 8.0), id=right, score=0.5)
        for right in (1, 4)
    )
    image = LabelledImage(name="a.tif", size=(40, 40), objects=objects, **UTM)

    _, report = write(kind, Labels(classes=("x",), images=(image,)), tmp_path)

    assert [(line.file, line.text) for line in report.dropped] == [
        ("a.tif: object 1", "without an area")
    ]
    assert report.counts == {"objects": 1}


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp"])
def test_object_across_the_180th_meridian_is_cut_there(
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
    kind: str,
) -> None:
    """In degrees it has a part on each side, which together are the whole; with its hole."""
    mask = np.zeros((60, 60), np.uint8)
    mask[10:30, 10:40] = 1
    mask[15:20, 30:35] = 0
    to_utm = pyproj.Transformer.from_crs(4326, 32660, always_xy=True)
    x, y = to_utm.transform(180.0, 60.0)
    place = {"crs": "EPSG:32660", "transform": (100.0, 0.0, x - 2500, 0.0, -100.0, y)}
    labels = instances([mask], **place)
    own = read_layer(write(kind, labels, tmp_path, tolerance=0.0)[0]).shapes[0]

    layer = read_layer(write(kind, labels, tmp_path, tolerance=0.0, crs="EPSG:4326")[0])

    found = layer.shapes[0]
    assert shapely.is_valid(found)
    sides = sorted(each.bounds[0] for each in found.geoms)
    assert len(sides) == 2
    assert sides[0] == -180
    assert 179.9 < sides[1] < 180
    back = shapely.union_all(
        [
            shapely.transform(part, lambda xy: np.column_stack(to_utm.transform(*xy.T)))
            for part in found.geoms
        ]
    )
    assert back.area == pytest.approx(own.area, rel=1e-4)
    assert shapely.hausdorff_distance(own, back.buffer(1).buffer(-1)) < 3


def test_wide_object_is_not_cut(
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """It goes half around the Earth, and crosses no meridian of 180 degrees."""
    mask = np.zeros((20, 36), np.uint8)
    mask[5:8, 5:30] = 1
    place = {"crs": "EPSG:3857", "transform": (1e6, 0.0, -18e6, 0.0, -1e6, 10e6)}

    path, _ = write("gpkg", instances([mask], **place), tmp_path, crs="EPSG:4326")

    (found,) = read_layer(path).shapes
    assert len(found.geoms) == 1
    assert found.bounds[2] - found.bounds[0] == pytest.approx(25e6 / 20037508.34 * 180, rel=1e-3)


def test_object_partly_outside_the_system_is_left_out(
    instances: Callable[..., Labels],
    write: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    """Its centre lies inside, but no outline of it can be written."""
    mask = np.zeros((18, 36), np.uint8)
    mask[8:10, 15:31] = 1
    near = np.zeros((18, 36), np.uint8)
    near[8:10, 17:19] = 1
    place = {"crs": "EPSG:4326", "transform": (10.0, 0.0, -180.0, 0.0, -10.0, 90.0)}

    path, report = write(
        "gpkg", instances([mask, near], **place), tmp_path, crs="+proj=ortho +lat_0=0 +lon_0=0"
    )

    assert read_layer(path).columns["id"] == [8]
    assert [line.text for line in report.dropped] == ["outside the area of the reference system"]


# Writes a file, then again while it may not grow beyond a share of that.
LIMITED = """
import resource, sys
from pathlib import Path
from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels
from zoo_geo_vectors import formats

path = Path(sys.argv[1])
make = {"gpkg": formats.GeoPackage, "geojson": formats.GeoJson, "shp": formats.Shapefile}
objects = tuple(
    LabelledObject(label="x", box=(x, y, x + 4.0, y + 3.0), id=1 + x + 20 * y, score=0.5)
    for x in range(20) for y in range(20)
)
place = {"crs": "EPSG:32631", "transform": (0.5, 0.0, 5e5, 0.0, -0.5, 5e6)}
image = LabelledImage(name="a.tif", size=(40, 40), objects=objects, **place)
labels = Labels(classes=("x",), images=(image,))
make[path.suffix[1:]]().write(labels, path, Report())
before = path.read_bytes()
for share in (0.3, 0.9, 0.97, 0.9999):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * len(before)), -1))
    try:
        make[path.suffix[1:]]().write(labels, path, Report())
        print("written")
    except DataError as error:
        print(error.message[:13], path.read_bytes() == before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of POSIX")
@pytest.mark.parametrize("kind", ["gpkg", "geojson", "shp"])
def test_file_that_is_cut_off_is_refused(tmp_path: Path, kind: str) -> None:
    """GDAL does not report every write that fails, as on a full disk; the old file stays."""
    words = [sys.executable, "-c", LIMITED, str(tmp_path / f"found.{kind}")]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["cannot write  True"] * 4, done.stderr


@pytest.mark.parametrize(
    ("moves_px", "noted"),
    [
        ([0, 60], ["0.tif", "1.tif"]),
        ([0, 30], ["0.tif", "1.tif"]),
        ([0, 62], []),
        ([0, 200, 60, 400], ["0.tif", "2.tif"]),
    ],
    ids=["touching", "overlapping", "apart", "some"],
)
def test_images_that_share_a_border_are_noted(
    two: Labels, write: Callable[..., Any], tmp_path: Path, moves_px: list[int], noted: list[str]
) -> None:
    """An object that lies across is counted in each; the summary says what helps."""
    a, b, c, d, e, f = UTM["transform"]
    images = [
        replace(image, name=f"{number}.tif", transform=(a, b, c + a * move, d, e, f))
        for image in two.images
        for number, move in enumerate(moves_px)
    ]

    _, report = write("csv", replace(two, images=tuple(images)), tmp_path)

    assert [line.file for line in report.notes] == noted
    assert ("zoo mosaic" in report.summary()) == bool(noted)


def test_images_in_other_systems_share_no_border(
    two: Labels, write: Callable[..., Any], tmp_path: Path
) -> None:
    """Numbers of two systems say nothing about one place."""
    (image,) = two.images
    other = replace(image, name="b.tif", crs="EPSG:32632")

    _, report = write("csv", replace(two, images=(image, other)), tmp_path)

    assert report.notes == []
