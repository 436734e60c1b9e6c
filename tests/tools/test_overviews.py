# SPDX-License-Identifier: Apache-2.0
"""The overviews: which finds are right, how long the scale bar is, and what is drawn."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.mm

_PATH = Path(__file__).parents[2] / "tools" / "overviews.py"


@pytest.fixture
def overviews() -> Any:
    spec = importlib.util.spec_from_file_location("overviews", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["overviews"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["overviews"]


@pytest.fixture
def drawn(overviews: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that draws an overview and gives its figure."""
    from matplotlib.figure import Figure

    saved: list[Figure] = []
    real = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)

    def draw(name: str, folder: Path, **keywords: Any) -> Any:
        getattr(overviews, name)(folder, tmp_path / "overview.png", **keywords)
        return saved[-1]

    return draw


@pytest.mark.parametrize("seed", range(20))
def test_match_equals_cocos(overviews: Any, seed: int) -> None:
    """As pycocotools matches boxes at IoU 0.5, whatever lies where."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(seed)
    sides = rng.integers(8, 16, (2, 12, 2))
    boxes = np.concatenate([rng.integers(0, 24, (2, 12, 2)), sides], axis=2).astype(float)
    finds, trues = boxes[0][: seed % 12 + 1], boxes[1][: 12 - seed % 5]
    rows = [
        [
            {"id": n + 1, "image_id": 1, "category_id": 1, "bbox": box.tolist(), "iscrowd": 0}
            | {"area": float(box[2] * box[3]), "score": 1 - n / 100}
            for n, box in enumerate(side)
        ]
        for side in (finds, trues)
    ]
    truth, found = COCO(), COCO()
    for coco, side in ((found, rows[0]), (truth, rows[1])):
        coco.dataset = {"images": [{"id": 1}], "categories": [{"id": 1}]}
        coco.dataset["annotations"] = side
        coco.createIndex()
    judge = COCOeval(truth, found, "bbox")
    judge.params.iouThrs = np.array([0.5])
    judge.evaluate()
    matched = judge.evalImgs[0]["dtMatches"][0] > 0
    taken = judge.evalImgs[0]["gtMatches"][0] > 0

    from pycocotools import mask

    ious = np.asarray(mask.iou(finds, trues, [0] * len(trues)))
    result = overviews.match(ious)

    assert result.right == np.flatnonzero(matched).tolist()
    assert result.false == np.flatnonzero(~matched).tolist()
    assert result.missed == np.flatnonzero(~taken).tolist()


@pytest.mark.parametrize(
    ("width_m", "bar_m"), [(921.6, 200), (100, 20), (79, 10), (4000, 1000), (3.9, 0.5)]
)
def test_scale_bar_has_a_round_length(overviews: Any, width_m: float, bar_m: float) -> None:
    assert overviews.scale_bar_m(width_m) == pytest.approx(bar_m)


def test_resolution_is_the_files_own_in_metres(overviews: Any, tmp_path: Path) -> None:
    """Feet become metres; degrees, no coordinates and other formats say nothing."""
    rasterio = pytest.importorskip("rasterio")
    found = {}
    for name, crs in (("utm", 32631), ("feet", 2263), ("degrees", 4326), ("none", None)):
        path = tmp_path / f"{name}.tif"
        place = rasterio.transform.from_origin(0, 0, 0.5, 0.5)
        options = {"crs": f"EPSG:{crs}", "transform": place} if crs else {}
        form = {"driver": "GTiff", "height": 4, "width": 4, "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", **form, **options) as file:
            file.write(np.zeros((1, 4, 4), np.uint8))
        found[name] = overviews.resolution_m(path)

    feet_m = 0.5 * 1200 / 3937  # the survey foot of the United States
    assert found == {"utm": 0.5, "feet": pytest.approx(feet_m), "degrees": None, "none": None}
    assert overviews.resolution_m(tmp_path / "scene.jpg") is None


def _square(number: int, x: int, y: int, score: float | None = None) -> dict[str, Any]:
    corners = [x, y, x + 10, y, x + 10, y + 10, x, y + 10]
    row = {"id": number, "image_id": 1, "category_id": 1, "bbox": [x, y, 10, 10], "iscrowd": 0}
    row |= {"segmentation": [corners], "area": 100}
    return row if score is None else {**row, "score": score}


def _coco(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True)
    image = {"id": 1, "file_name": "some/site_007.png", "height": 64, "width": 64}
    path.write_text(json.dumps({"images": [image], "annotations": rows}))


@pytest.fixture
def tanks(tmp_path: Path) -> Path:
    """Write a scene of three tanks, two of them found, and a find where there is none."""
    folder = tmp_path / "demo_tanks"
    there = [_square(1, 4, 4), _square(2, 30, 4), _square(3, 4, 40)]
    _coco(folder / "raw" / "truth" / "annotations.json", there)
    found = [_square(1, 4, 4, 0.6), _square(2, 31, 5, 0.9), _square(3, 50, 50, 0.8)]
    _coco(folder / "predictions" / "coco.json", found)
    (folder / "raw" / "images").mkdir()
    cv2.imwrite(str(folder / "raw" / "images" / "site_007.png"), np.full((64, 64, 3), 90, np.uint8))
    return folder


def test_overview_of_tanks_shows_truth_beside_finds_in_three_marks(
    tanks: Path, drawn: Callable[..., Any], overviews: Any
) -> None:
    """Each scene has its name twice, outlines differ in two ways, and the legend counts."""
    figure = drawn("draw_tanks", tanks, count=4)

    truth, finds = figure.axes[:2]
    titles = [axes.get_title(loc="left") for axes in (truth, finds)]
    assert titles == ["site_007: 3 tanks", "site_007: 2 right, 1 missed, 1 false"]
    colors = [line.get_color() for line in finds.lines]
    wanted = {overviews.RIGHT: 2, overviews.MISSED: 2, overviews.FALSE: 2}  # two carry a marker
    assert {color: colors.count(color) for color in wanted} == wanted
    assert [line.get_color() for line in truth.lines].count(overviews.TRUTH) == 3
    markers = {line.get_color(): line.get_marker() for line in finds.lines[-5:]}
    assert markers[overviews.MISSED] != markers[overviews.FALSE]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["a tank that is there", "right: 2", "missed: 1", "false: 1"]


@pytest.mark.parametrize(("m_per_px", "texts"), [(1.2, ["10 m"]), (None, [])])
def test_scene_has_a_scale_bar_where_its_resolution_is_known(
    tanks: Path, drawn: Callable[..., Any], m_per_px: float | None, texts: list[str]
) -> None:
    """The bar is as long as it says: 10 m of 1.2 m pixels."""
    figure = drawn("draw_tanks", tanks, count=1, m_per_px=m_per_px)

    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == texts
        bars = [line for line in axes.lines if line.get_color() == "white"]
        lengths = [line.get_xdata()[1] - line.get_xdata()[0] for line in bars]
        assert lengths == pytest.approx([10 / 1.2] * len(texts))


def test_overview_of_lungs_gives_each_image_its_name_and_dice(
    tmp_path: Path, drawn: Callable[..., Any]
) -> None:
    """A half that was missed and a half that is false make a Dice of 0.5."""
    folder = tmp_path / "demo"
    true, found = (np.zeros((32, 32), np.uint8) for _ in range(2))
    true[8:24, 4:20] = 255
    found[8:24, 12:28] = 1
    for place, picture in (("raw/m.png", true), ("raw/x.png", true), ("predictions/l.png", found)):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / place), picture)
    row = {"stem": "CHNCXR_0007_1", "source_image": "x.png", "source_masks": ["m.png"]}
    (folder / "data").mkdir()
    (folder / "data" / "dataset.json").write_text(json.dumps({"files": [row]}))
    image = {"file": str(folder / "raw" / "x.png"), "label": "l.png"}
    document = {"classes": ["background", "lung"], "images": [image]}
    (folder / "predictions" / "predictions.json").write_text(json.dumps(document))

    figure = drawn("draw_lungs", folder, count=8)

    assert figure.axes[0].get_title(loc="left") == "CHNCXR_0007_1: Dice 0.500"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["outline of the true lungs", "right", "missed", "false", "not for diagnosis"]
    painted = figure.axes[0].images[0].get_array()
    assert [len({tuple(p) for p in painted[8:24, x].tolist()}) for x in (6, 15, 25)] == [1, 1, 1]
    assert len({tuple(painted[12, x].tolist()) for x in (0, 6, 15, 25)}) == 4
