# SPDX-License-Identifier: Apache-2.0
"""Scenes through an instance model: each blob once, in every file that is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

MakeRun = Callable[..., Path]
HEIGHT, WIDTH = 150, 210


def blobs(step: int = 26) -> list[tuple[NDArray[np.bool_], int]]:
    """Return discs over all seams and corners of 64 px windows, and the grey of each."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    places = [(x, y) for y in range(12, HEIGHT - 9, step) for x in range(12, WIDTH - 9, step)]
    greys = [60 + 25 * (number % 8) for number in range(len(places))]
    discs = [(columns - x) ** 2 + (rows - y) ** 2 <= 81 for x, y in places]
    return list(zip(discs, greys, strict=True))


def scene(parts: list[tuple[NDArray[np.bool_], int]]) -> NDArray[np.uint8]:
    image = np.full((HEIGHT, WIDTH), 10, np.uint8)
    for mask, grey in parts:
        image[mask] = grey
    return image


def write(path: Path, image: NDArray[Any]) -> Path:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def read_json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_blobs_of_a_scene_are_found_once_with_their_pixels(make_blobs_run: MakeRun) -> None:
    """Through 20 windows: masks, boxes, classes and scores as NumPy knows them."""
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction.results import InstanceResult

    parts = blobs()

    result = Predictor(str(make_blobs_run()), score_thr=0.0)(scene(parts))

    assert isinstance(result, InstanceResult)
    assert result.windows == 20
    found = {result.mask(i).tobytes(): i for i in range(len(result))}
    assert set(found) == {mask.tobytes() for mask, _ in parts}
    assert len(result) == len(parts)
    for mask, grey in parts:
        i = found[mask.tobytes()]
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert result.boxes[i].tolist() == box
        assert result.scores[i] == pytest.approx(min(grey, 200) / 200)
        assert result.class_ids[i] == (grey > 200)
        assert result.areas_px[i] == mask.sum()
    assert (np.diff(result.scores) <= 0).all()
    assert result.counts == {
        "tank": sum(grey <= 200 for _, grey in parts),
        "roof": sum(grey > 200 for _, grey in parts),
    }
    assert result.counts_at == {
        thr: sum(np.float32(min(grey, 200) / 200) >= np.float32(thr) for _, grey in parts)
        for thr in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    }


def test_windows_and_the_whole_find_the_same(make_blobs_run: MakeRun) -> None:
    """``tiling=None`` sees the scene at once."""
    from zoo.engine.prediction.predictor import Predictor

    run, image = str(make_blobs_run()), scene(blobs())

    cut, whole = (Predictor(run, **how)(image) for how in ({}, {"tiling": None}))

    assert (cut.windows, whole.windows) == (20, 1)
    assert {cut.mask(i).tobytes() for i in range(len(cut))} == {
        whole.mask(i).tobytes() for i in range(len(whole))
    }


def test_tiles_of_a_pixel_are_refused(make_blobs_run: MakeRun) -> None:
    from zoo.data import parse_tiling
    from zoo.engine.prediction.predictor import Predictor

    with pytest.raises(ConfigError, match="windows of 1 px that share 0 px: expected tile_px from"):
        Predictor(str(make_blobs_run()), tiling=parse_tiling("tiles", 1, 0))


def test_config_without_tiling_sees_images_whole(make_blobs_run: MakeRun) -> None:
    from zoo.engine.prediction.predictor import Predictor

    assert Predictor(str(make_blobs_run("")))(scene(blobs())).windows == 1


@pytest.fixture
def written(make_blobs_run: MakeRun, tmp_path: Path) -> Path:
    """Return the folder with what was found in two equal scenes, a.png and b.png."""
    from zoo.engine.prediction_files.predict import predict

    paths = [write(tmp_path / f"in/{name}.png", scene(blobs())) for name in "ab"]
    done = predict(str(make_blobs_run()), paths, tmp_path / "out")
    assert (done.count, done.failures) == (2, ())
    return tmp_path / "out"


def test_json_counts_what_was_found(written: Path) -> None:
    """Counts of each class, and how many each threshold would keep."""
    kept = [grey for _, grey in blobs() if grey >= 100]

    document = read_json(written / "predictions.json")

    assert (document["task"], document["coco"]) == ("instance", "coco.json")
    assert document["classes"] == ["tank", "roof"]
    entry = document["images"][1]
    assert (entry["overlay"], entry["geojson"]) == ("b_overlay.png", None)
    assert entry["counts"] == {
        "tank": sum(grey <= 200 for grey in kept),
        "roof": sum(grey > 200 for grey in kept),
    }
    assert entry["counts_at"]["0.5"] == len(kept)
    assert (entry["score_thr"], entry["windows"]) == (0.5, 20)


def test_coco_json_is_loaded_by_pycocotools(written: Path) -> None:
    """Its masks are the blobs; its rows are those of predictions.json."""
    from pycocotools.coco import COCO

    kept = {mask.tobytes() for mask, grey in blobs() if grey >= 100}
    document = read_json(written / "predictions.json")
    entry = document["images"][1]

    coco = COCO(written / "coco.json")

    rows = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert {coco.annToMask(row).astype(bool).tobytes() for row in rows} == kept
    size = {"width": WIDTH, "height": HEIGHT}
    assert coco.imgs[2] == {"id": 2, "file_name": entry["file"], **size}
    for row, one in zip(rows, entry["instances"], strict=True):
        x, y, width, height = row["bbox"]
        assert (one["id"], one["box"]) == (row["id"], [x, y, x + width, y + height])
        assert row["area"] == one["area_px"] == coco.annToMask(row).sum()
        assert document["classes"][row["category_id"] - 1] == one["class"]


def test_overlay_paints_every_mask(written: Path) -> None:
    """On the picture itself, and adds a legend below."""
    import cv2

    overlay = cv2.imread(str(written / "b_overlay.png"))

    assert overlay.shape[0] > HEIGHT
    changed = (overlay[:HEIGHT, :WIDTH] != scene(blobs())[..., None]).any(axis=2)
    assert all(changed[mask].mean() > 0.9 for mask, grey in blobs() if grey >= 100)


def test_geojson_lies_where_the_image_lies(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    """Polygons along the pixels' edges, in the image's own system, areas in m^2."""
    import rasterio
    from affine import Affine
    from shapely.geometry import shape

    from zoo.engine.prediction_files.predict import predict

    parts = blobs()
    transform = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)
    size = {"count": 1, "height": HEIGHT, "width": WIDTH, "dtype": "uint8"}
    path = tmp_path / "a.tif"
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32631", transform=transform, **size
    ) as dataset:
        dataset.write(scene(parts), 1)

    predict(str(make_blobs_run()), [path], tmp_path / "out")

    entry = read_json(tmp_path / "out/predictions.json")["images"][0]
    content = read_json(tmp_path / "out" / entry["geojson"])
    assert content["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32631"
    kept = [mask for mask, grey in parts if grey >= 100]
    assert len(content["features"]) == len(kept)
    area = {mask.tobytes(): mask.sum() for mask in kept}
    for feature in content["features"]:
        outline = shape(feature["geometry"])
        assert outline.is_valid
        assert outline.exterior.is_ccw
        # UTM shrinks what lies near its meridian: by 0.9996 there, and less towards its edges.
        assert outline.area == pytest.approx(feature["properties"]["area_m2"], rel=1e-3)
        inverse = [2, 0, 0, -2, -2 * 400_000, 2 * 5_700_000]
        x, y = inverse[0] * outline.centroid.x + inverse[4], -2 * outline.centroid.y + inverse[5]
        mask = next(mask for mask in kept if mask[int(y), int(x)])
        assert feature["properties"]["area_px"] == area.pop(mask.tobytes())
    assert not area


def test_geojson_is_left_out_with_a_word_where_shapely_is_missing(
    make_blobs_run: MakeRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was found is written all the same; a coco.json of an older run is replaced."""
    import sys

    import rasterio
    from affine import Affine

    from zoo.engine.prediction_files.predict import predict

    place = {"crs": "EPSG:32631", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)}
    size = {"count": 1, "height": HEIGHT, "width": WIDTH, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **place, **size) as dataset:
        dataset.write(scene(blobs()), 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/coco.json").write_text("of an older run")
    monkeypatch.setitem(sys.modules, "shapely", None)

    predict(str(make_blobs_run()), [tmp_path / "a.tif"], tmp_path / "out")

    assert read_json(tmp_path / "out/predictions.json")["images"][0]["geojson"] is None
    assert read_json(tmp_path / "out/coco.json")["annotations"]
    assert not (tmp_path / "out/a.geojson").exists()
    assert "a.geojson is left out" in caplog.text


def test_detector_without_masks_gives_boxes(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    """COCO rows without a segmentation, and areas of boxes."""
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction_files.predict import predict

    run = str(make_blobs_run(with_masks=False))
    path = write(tmp_path / "a.png", scene(blobs()))

    predict(run, [path], tmp_path / "out")
    result = Predictor(run)(path)

    rows = read_json(tmp_path / "out/coco.json")["annotations"]
    assert rows
    assert all("segmentation" not in row and row["area"] == 19 * 19 for row in rows)
    assert result.masks is None
    assert set(result.areas_px) == {19 * 19}
    with pytest.raises(ValueError, match="boxes, not masks"):
        result.mask(0)


def test_nothing_found_is_a_result(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    path = write(tmp_path / "a.png", np.zeros((70, 90), np.uint8))

    predict(str(make_blobs_run()), [path], tmp_path / "out")

    entry = read_json(tmp_path / "out/predictions.json")["images"][0]
    assert entry["counts"] == {"tank": 0, "roof": 0}
    assert entry["instances"] == []
    assert read_json(tmp_path / "out/coco.json")["annotations"] == []


def test_heads_that_count_other_classes_are_refused(make_blobs_run: MakeRun) -> None:
    from zoo.engine.prediction.model import open_model

    with pytest.raises(CheckpointError, match="separates 80 classes, the weights name 2"):
        open_model(str(make_blobs_run(num_classes=80)))


@pytest.mark.parametrize("tiling", ["dict(tile_px=64)", "512"])
def test_tiling_that_is_none_is_refused(make_blobs_run: MakeRun, tiling: str) -> None:
    from zoo.engine.prediction.predictor import Predictor

    with pytest.raises(ConfigError, match="cannot cut images with tiling="):
        Predictor(str(make_blobs_run(f"tiling = {tiling}")))


def test_score_out_of_range_is_refused(make_blobs_run: MakeRun) -> None:
    from zoo.engine.prediction.predictor import Predictor

    with pytest.raises(ConfigError, match=r"by the score 1\.5: expected 0\.\.1"):
        Predictor(str(make_blobs_run()), score_thr=1.5)


def test_transparency_of_an_array_is_dropped(make_blobs_run: MakeRun) -> None:
    """As of a file."""
    from zoo.engine.prediction.predictor import Predictor

    image = np.dstack([scene(blobs())] * 4)

    result = Predictor(str(make_blobs_run()), tiling=None)(image)

    assert len(result) == sum(grey >= 100 for _, grey in blobs())
    assert result.overlay()[..., :3].shape[1] >= WIDTH


def test_unchanged_loader_sees_images_whole(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    """What reads 16 bit by itself gets the file, and tiles are refused."""
    from zoo.data import parse_tiling
    from zoo.engine.prediction.predictor import Predictor

    run = str(make_blobs_run(loader="dict(type='LoadImageFromFile', color_type='unchanged')"))
    path = write(tmp_path / "a.png", scene(blobs()))

    result = Predictor(run)(path)

    assert result.windows == 1
    assert len(result) == sum(grey >= 100 for _, grey in blobs())
    with pytest.raises(ConfigError, match="own transform loads images as a whole"):
        Predictor(run, tiling=parse_tiling("tiles", 64, 16))


def test_image_that_fails_does_not_stop_the_others(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    from zoo.engine.prediction_files.predict import predict

    good = write(tmp_path / "in/good.png", scene(blobs()))
    bad = tmp_path / "in/bad.tif"
    bad.write_bytes(b"II*\0 and no more")

    done = predict(str(make_blobs_run()), [bad, good], tmp_path / "out")

    assert (done.count, [failure.path for failure in done.failures]) == (1, [bad])
    with pytest.raises(DataError, match=r"cannot (open|read|decode) 'bad\.tif'"):
        predict(str(tmp_path / "blobs_run"), [bad], tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "windows", "count"),
    [
        ([], 20, sum(grey >= 100 for _, grey in blobs())),
        (["--tile-size", "0"], 1, sum(grey >= 100 for _, grey in blobs())),
        (["--tile-size", "100", "--overlap", "24", "--score-thr", "0"], 6, len(blobs())),
    ],
)
def test_options_of_the_command_reach_the_model(
    make_blobs_run: MakeRun, tmp_path: Path, options: list[str], windows: int, count: int
) -> None:
    from click.testing import CliRunner

    from zoo.cli import main

    path = write(tmp_path / "a.png", scene(blobs()))
    words = ["predict", make_blobs_run(), path, "--out", tmp_path / "out", *options]

    done = CliRunner().invoke(main, [str(word) for word in words])

    assert done.exit_code == 0, done.stderr
    entry = read_json(tmp_path / "out/predictions.json")["images"][0]
    assert (entry["windows"], len(entry["instances"])) == (windows, count)


def test_labels_asked_of_instances_are_wrong_usage(make_blobs_run: MakeRun, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from zoo.cli import main

    path = write(tmp_path / "a.png", scene(blobs()))
    words = ["predict", make_blobs_run(), path, "--out", tmp_path / "out", "--labels"]

    done = CliRunner().invoke(main, [str(word) for word in words])

    assert done.exit_code == 2
    assert "'blobs_run' finds instances and has no label map" in done.stderr
    assert not (tmp_path / "out").exists()


def test_overlay_of_a_mask_with_a_hole_leaves_the_hole_open() -> None:
    """What shows through a ring is the picture, in the overlay as in the mask."""
    from zoo.engine.prediction.results import InstanceResult
    from zoo.engine.scenes.roi_mask import RoiMask

    rows, columns = np.mgrid[:100, :100]
    away = np.hypot(rows - 50, columns - 50)
    mask = RoiMask.cut((away < 40) & (away > 20))
    assert mask is not None
    shown = np.full((100, 100, 3), 90, np.uint8)
    result = InstanceResult(
        boxes=np.array([mask.box], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([0]),
        masks=(mask,),
        classes=("ring",),
        palette=((220, 20, 60),),
        counts_at={},
        score_thr=0.5,
        height_px=100,
        width_px=100,
        windows=1,
        meta={},
        shown=shown,
    )

    overlay = result.overlay()

    assert overlay[50, 50].tolist() == [90, 90, 90]
    assert overlay[50, 20].tolist() != [90, 90, 90]
