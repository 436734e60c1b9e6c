# SPDX-License-Identifier: Apache-2.0
"""``zoo compare``: what appeared, went and changed, against rectangles whose IoU one can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_geo_vectors.changed_files import write_changes
from zoo_geo_vectors.comparing import compare

from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, Labels

UTM: dict[str, Any] = {
    "crs": "urn:ogc:def:crs:EPSG::32631",
    "transform": (1.0, 0.0, 500_000.0, 0.0, -1.0, 5_000_000.0),
}
Box = tuple[float, float, float, float]


@pytest.fixture(scope="session")
def write_boxes(write: Callable[..., Any]) -> Callable[..., Path]:
    """Write boxes with their classes as a result, ids from 1."""

    def run(folder: Path, boxes: list[tuple[str, Box]], kind: str = "gpkg", **options: Any) -> Path:
        folder.mkdir(exist_ok=True)
        objects = tuple(
            LabelledObject(label=label, box=box, id=id_, score=0.5)
            for id_, (label, box) in enumerate(boxes, 1)
        )
        image = LabelledImage(name="a.tif", size=(200, 200), objects=objects, **UTM)
        labels = Labels(classes=("pond", "tank"), images=(image,))
        path: Path = write(kind, labels, folder, **options)[0]
        return path

    return run


BEFORE: list[tuple[str, Box]] = [
    ("tank", (0, 0, 10, 10)),
    ("tank", (20, 0, 30, 10)),
    ("tank", (40, 0, 50, 10)),
    ("pond", (60, 0, 70, 10)),
]
AFTER: list[tuple[str, Box]] = [
    ("pond", (60, 0, 70, 11)),  # as before, but for a tenth
    ("tank", (21, 0, 31, 10)),  # moved: an IoU of 9/11
    ("pond", (0, 0, 10, 10)),  # of another class
    ("tank", (45, 0, 55, 10)),  # an IoU of 5/15
    ("tank", (100, 0, 110, 10)),  # new
]


def test_each_object_has_one_row(write_boxes: Callable[..., Path], tmp_path: Path) -> None:
    """Objects of B come first, in their order; IoU and areas are those of the rectangles."""
    first, second = write_boxes(tmp_path / "a", BEFORE), write_boxes(tmp_path / "b", AFTER)

    found = compare(first, second, match=0.5)

    rows = [(each.change, each.id_a, each.id_b, each.iou) for each in found.rows]
    assert rows == [
        ("same", 4, 1, 0.9091),
        ("same", 2, 2, 0.8182),
        ("changed", 1, 3, 1.0),
        ("appeared", None, 4, 0.0),
        ("appeared", None, 5, 0.0),
        ("gone", 3, None, 0.0),
    ]
    assert found.rows[0].area_a_m2 == pytest.approx(100 / 0.9996**2, rel=1e-5)
    assert found.rows[0].area_b_m2 == pytest.approx(110 / 0.9996**2, rel=1e-5)
    assert found.counts() == {
        "pond": {"a": 1, "b": 2, "appeared": 0, "gone": 0, "changed": 1, "same": 1},
        "tank": {"a": 3, "b": 3, "appeared": 2, "gone": 1, "changed": 0, "same": 1},
    }
    looser = compare(first, second)
    assert [each.change for each in looser.rows].count("changed") == 2
    assert [each.change for each in looser.rows].count("gone") == 0


@pytest.mark.parametrize("kind", ["geojson", "shp"])
def test_other_format_and_reference_system_change_nothing(
    write_boxes: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    first, second = write_boxes(tmp_path / "a", BEFORE), write_boxes(tmp_path / "b", AFTER)
    other = write_boxes(tmp_path / "c", AFTER, kind, crs="EPSG:4326")

    expected, found = compare(first, second), compare(first, other)

    assert found.later.crs.to_epsg() == 32631
    for one, same in zip(expected.rows, found.rows, strict=True):
        assert (one.change, one.id_a, one.id_b) == (same.change, same.id_a, same.id_b)
        assert same.iou == pytest.approx(one.iou, abs=0.01)


@settings(max_examples=15)
@given(
    sides=st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8),
        min_size=2,
        max_size=2,
    )
)
def test_pairs_are_one_to_one_and_nothing_is_lost(
    sides: list[list[tuple[int, int]]],
    write_boxes: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Overlapping boxes: each is in one row; what is left has no partner of the IoU of a match."""
    folder = tmp_path_factory.mktemp("drawn")
    corner = ("pond", (0.0, 0.0, 60.0, 60.0))  # of both, so that they share a place
    several = [[corner, *(("tank", (x, y, x + 9, y + 9)) for x, y in side)] for side in sides]
    paths = [write_boxes(folder / name, each) for name, each in zip("ab", several, strict=True)]

    found = compare(*paths, match=0.4)

    for side, boxes in (("id_a", several[0]), ("id_b", several[1])):
        ids = [getattr(row, side) for row in found.rows if getattr(row, side) is not None]
        assert sorted(ids) == list(range(1, len(boxes) + 1))
    left = [[row for row in found.rows if row.change == word] for word in ("gone", "appeared")]
    for gone in left[0]:
        for new in left[1]:
            shared = gone.outline.intersection(new.outline).area
            assert shared / (gone.outline.area + new.outline.area - shared) < 0.4
    same = compare(paths[0], paths[0])
    assert {row.change for row in same.rows} == {"same"}


def test_command_prints_a_table_and_writes_a_layer(
    write_boxes: Callable[..., Path],
    read_layer: Callable[[Path], Any],
    run_zoo: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """The folders of two predictions will do; as JSON every object is listed."""
    for name, boxes in (("a", BEFORE), ("b", AFTER)):
        written = write_boxes(tmp_path / name, boxes)
        written.rename(written.with_name("gpkg_labels.gpkg"))
    out = tmp_path / "changes.gpkg"
    words = ["compare", tmp_path / "a", tmp_path / "b"]

    told = run_zoo(*words, "--match", "0.5", "--out", out, plugins="geo_vectors")
    listed = run_zoo(*words, "--json", plugins="geo_vectors")

    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == [
        "class  in A  in B  appeared  gone  changed  same",
        "pond      1     2         0     0        1     1",
        "tank      3     3         2     1        0     1",
        "all       4     5         2     1        1     2",
        f"wrote {out}",
    ]
    layer = read_layer(out)
    assert layer.crs == "EPSG:32631"
    assert layer.columns["change"] == ["same", "same", "changed", "appeared", "appeared", "gone"]
    assert layer.columns["class_a"] == ["pond", "tank", "tank", None, None, "tank"]
    assert layer.columns["iou"][:2] == [0.9091, 0.8182]
    assert shapely.bounds(layer.shapes)[4].tolist() == [500_100, 4_999_990, 500_110, 5_000_000]
    assert out.with_suffix(".qml").read_text("utf-8").count("<category ") == 4
    document = json.loads(listed.stdout)
    assert document["schema"] == "zoo.compare/1"
    assert len(document["objects"]) == 5
    assert document["classes"]["tank"]["changed"] == 1
    assert document["out"] is None


def test_folder_with_the_geojson_of_the_core_is_read_with_its_ids(
    write_boxes: Callable[..., Path], tmp_path: Path
) -> None:
    """What ``zoo predict`` writes without any format."""
    folder = tmp_path / "core"
    written = write_boxes(folder, AFTER, "geojson")
    content = json.loads(written.read_text("utf-8"))
    for feature in content["features"]:
        feature["properties"] = {"class": feature["properties"]["class"], "area_px": 100}
    written.rename(folder / "scene.geojson").write_text(json.dumps(content), "utf-8")
    instances = [{"id": id_} for id_ in (11, 12, 13, 14, 15)]
    entries = [{"geojson": "scene.geojson", "instances": instances}]
    (folder / "predictions.json").write_text(json.dumps({"images": entries}), "utf-8")

    found = compare(folder, write_boxes(tmp_path / "b", AFTER))

    assert [row.id_a for row in found.rows] == [11, 12, 13, 14, 15]
    assert {row.change for row in found.rows} == {"same"}


def test_what_cannot_be_compared_is_refused(
    write_boxes: Callable[..., Path], tmp_path: Path
) -> None:
    first = write_boxes(tmp_path / "a", BEFORE)
    far = write_boxes(tmp_path / "b", [("tank", (150, 150, 160, 160))])
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.gpkg").write_bytes(first.read_bytes()[:5000])
    (tmp_path / "a.txt").write_text("x")

    for other, said in (
        (far, "they lie in different places"),
        (tmp_path / "empty", r"cannot compare 'empty': no vectors, and predictions\.json"),
        (tmp_path / "torn.gpkg", "cannot read 'torn.gpkg'"),
        (tmp_path / "gone.gpkg", "there is no such file"),
        (tmp_path / "a.txt", "it has another suffix"),
    ):
        with pytest.raises(DataError, match=said):
            compare(first, other)
    with pytest.raises(DataError, match="expected 0 < match <= same <= 1"):
        compare(first, first, match=0.9)


def test_rows_without_an_area_are_counted(write_boxes: Callable[..., Path], tmp_path: Path) -> None:
    """A file may have been edited: a line and an outline that crosses itself."""
    x, y = 500_000, 4_999_950
    bow = shapely.Polygon([(x, y), (x + 10, y + 10), (x + 10, y), (x, y + 10)])
    shapes = [shapely.LineString([(x, y), (x + 1, y + 1)]), bow]
    path = tmp_path / "edited.gpkg"
    pyogrio.raw.write(
        path,
        np.array([shapely.to_wkb(shape) for shape in shapes], object),
        [np.array([1, 2])],
        ["id"],
        driver="GPKG",
        geometry_type="Unknown",
        crs="EPSG:32631",
    )
    other = write_boxes(tmp_path / "b", [("tank", (0, 40, 10, 50))])

    found = compare(path, other)

    assert found.earlier.left_out == 1
    assert [(row.change, row.id_a, row.iou) for row in found.rows] == [("changed", 2, 0.5)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [([1, None, 3], [1, None, 3]), (["x", "y", "z"], [None] * 3), ([1.5, 2.0, 3], [None, 2, 3])],
    ids=["gap", "texts", "fractions"],
)
def test_file_of_another_program_may_have_other_ids(
    run_zoo: Callable[..., Any],
    read_layer: Callable[[Path], Any],
    tmp_path: Path,
    ids: list[Any],
    expected: list[int | None],
) -> None:
    """An outline drawn by hand has none; what is no whole number is none."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": id_, "class": "tank"},
            "geometry": shapely.geometry.mapping(shapely.box(x, 50, x + 0.001, 50.001)),
        }
        for x, id_ in enumerate(ids)
    ]
    path, out = tmp_path / "drawn.geojson", tmp_path / "changes.gpkg"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")

    done = run_zoo("compare", path, path, "--out", out, "--json", plugins="geo_vectors")

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["objects"]
    assert [row["id_a"] for row in rows] == expected
    written = [None if id_ != id_ else id_ for id_ in read_layer(out).columns["id_b"]]
    assert written == expected


def test_results_are_not_overwritten(
    write_boxes: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their names are written like."""
    first, second = write_boxes(tmp_path / "a", BEFORE), write_boxes(tmp_path / "b", AFTER)
    before = [path.read_bytes() for path in (first, second)]
    found = compare(first, second)
    monkeypatch.chdir(tmp_path / "b")

    for out in (first, tmp_path / "b" / ".." / "a" / first.name, Path(second.name)):
        with pytest.raises(DataError, match=r"cannot write 'found\.gpkg': it would overwrite"):
            write_changes(found, out)

    assert [path.read_bytes() for path in (first, second)] == before
