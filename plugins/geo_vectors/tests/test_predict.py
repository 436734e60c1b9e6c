# SPDX-License-Identifier: Apache-2.0
"""From a scene to vectors: the shipped weights on a drawn GeoTIFF, and the guide's own words."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import shapely
from zoo_geo_vectors import formats

pytestmark = pytest.mark.mm
GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "vectors.md"
PLUGINS = "geo_vectors,oil_storage,efficientnet_lite,configs"


@pytest.mark.slow
def test_vectors_of_a_scene_are_what_the_other_files_say(
    tmp_path: Path, scene: Path, run_zoo: Callable[..., Any], read_layer: Callable[[Path], Any]
) -> None:
    """Ids, classes, scores, pixels and square metres are those of the core's own files."""
    out = tmp_path / "found"
    words = ["predict", "mask_rcnn_small_tanks", scene, "--out", out, "--device", "cpu"]

    done = run_zoo(*words, "--format", "gpkg", "--json", plugins=PLUGINS)
    few = [
        *(*words, "--resume", "--format", "csv"),
        *("--format-option", "min-area=150", "--format-option", "min-roundness=0.7"),
    ]
    again = run_zoo(*few, plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    assert again.returncode == 0, again.stderr
    told = json.loads(done.stdout)["labels"]
    layer = read_layer(Path(told["file"]))
    (entry,) = json.loads((out / "predictions.json").read_text())["images"]
    coco = {row["id"]: row for row in json.loads((out / "coco.json").read_text())["annotations"]}
    core = json.loads((out / "scene.geojson").read_text())["features"]
    count = len(entry["instances"])
    assert count > 5
    assert told["counts"] == {"objects": count}
    assert layer.columns["id"] == [each["id"] for each in entry["instances"]] == list(coco)
    assert layer.columns["class"] == [each["class"] for each in entry["instances"]]
    assert layer.columns["score"] == [each["score"] for each in entry["instances"]]
    assert layer.columns["area_px"] == [coco[id_]["area"] for id_ in coco]
    areas_m2 = [each["properties"]["area_m2"] for each in core]
    assert layer.columns["area_m2"] == pytest.approx(areas_m2, rel=1e-9, abs=1e-3)
    for shape, feature in zip(layer.shapes, core, strict=True):
        exact = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shapely.hausdorff_distance(shape, exact) < 2
    kept = list(csv.DictReader((out / "csv_labels.csv").open(encoding="utf-8")))
    measures = zip(*(layer.columns[name] for name in ("id", "area_m2", "roundness")), strict=True)
    expected = [id_ for id_, area, round_ in measures if area >= 150 and round_ >= 0.7]
    assert [int(row["id"]) for row in kept] == expected
    assert f"{len(expected)} objects" in again.stdout
    assert 0 < len(expected) < count


def test_batch_without_coordinates_is_refused_in_one_message(
    tmp_path: Path, scene: Path, run_zoo: Callable[..., Any]
) -> None:
    """What was predicted stays, and a CSV can be made of it."""
    image = tmp_path / "plain.png"
    cv2.imwrite(str(image), cv2.imread(str(scene), cv2.IMREAD_COLOR)[:128, :128])
    words = ["predict", "mask_rcnn_small_tanks", image, "--out", tmp_path / "found"]

    refused = run_zoo(*words, "--format", "gpkg", plugins=PLUGINS)
    table = run_zoo(*words, "--resume", "--format", "csv", plugins=PLUGINS)

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert refused.stderr.count("error: ") == 1
    assert "no image has coordinates" in refused.stderr
    assert "HINT: use --format csv" in refused.stderr
    assert table.returncode == 0, table.stderr
    header = (tmp_path / "found" / "csv_labels.csv").read_text("utf-8").splitlines()[0]
    assert "diameter_px" in header
    assert "area_m2" not in header


@pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not here")
def test_guide_names_every_column_and_option(
    tmp_path: Path, write: Callable[..., Any], instances: Callable[..., Any]
) -> None:
    """Those of the files, and of the manifest, with their defaults."""
    import tomllib

    import numpy as np

    text = GUIDE.read_text("utf-8")
    path, _ = write("csv", instances([np.ones((4, 4))]), tmp_path)
    header = path.read_text("utf-8").splitlines()[0].split(",")
    manifest = Path(formats.__file__).with_name("zoo_plugin.toml").read_text("utf-8")
    rows = tomllib.loads(manifest)["exchange"]
    _, _, tables = text.partition("## Options")
    listed = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", tables, re.MULTILINE)

    assert [name for name in header if f"`{name}`" not in text] == []
    for row in rows:
        assert f"`{row['name']}`" in text
        options = {each["name"]: each.get("default") for each in row["option"]}
        assert set(options) <= {name for name, _ in listed}
    stated = {name: float(value) for name, value in listed if value[0].isdigit()}
    assert stated == {name: value for name, value in options.items() if value} | {
        "tolerance": 1.0,
        "min-area": 0.0,
        "min-roundness": 0.0,
    }
