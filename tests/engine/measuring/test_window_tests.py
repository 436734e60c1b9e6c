# SPDX-License-Identifier: Apache-2.0
"""``zoo test`` of instances measures what ``zoo predict`` gives, and says which way it looked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm

SIDE, TILE, OVERLAP = 150, 64, 24
MakeRun = Callable[..., Path]
ReadConfig = Callable[..., Any]


def discs() -> list[NDArray[np.bool_]]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = [(x, y) for y in range(14, SIDE - 9, 30) for x in range(14, SIDE - 9, 30)]
    found = [(columns - x) ** 2 + (rows - y) ** 2 <= 81 for x, y in places]
    # Larger than the overlap: only a whole image shows it in one piece.
    return [*found[:12], (columns - 75) ** 2 + (rows - 118) ** 2 <= 27**2]


@pytest.fixture
def read(make_blobs_run: MakeRun, tmp_path: Path) -> ReadConfig:
    """Return a function that reads the config of blobs, with a picture and its truth to test on."""
    import cv2
    from pycocotools import mask as tools

    data = tmp_path / "data"
    data.mkdir()
    image, rows = np.full((SIDE, SIDE), 10, np.uint8), []
    for number, disc in enumerate(discs(), 1):
        image[disc] = 180
        rle = tools.encode(np.asfortranarray(disc.astype(np.uint8)))
        row = {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0}
        row |= {"area": int(disc.sum()), "bbox": tools.toBbox(rle).tolist()}
        rows.append({**row, "segmentation": {**rle, "counts": rle["counts"].decode()}})
    cv2.imwrite(str(data / "a.png"), image)
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": SIDE, "height": SIDE}],
        "categories": [{"id": 1, "name": "tank"}, {"id": 2, "name": "roof"}],
        "annotations": rows,
    }
    (data / "a.json").write_text(json.dumps(truth))
    run = make_blobs_run()
    text = (run / "blobs.py").read_text()
    pack = "'img_path', 'ori_shape'"
    (run / "blobs.py").write_text(text.replace(pack, f"'img_id', {pack}"))

    def config(tiling: str | None = None) -> Any:
        from zoo.engine.config.reading import read_config

        found = read_config(run / "blobs.py", work_dir=tmp_path / "w")
        found.test_dataloader.update(batch_size=1, num_workers=0)
        found.test_dataloader.sampler = {"type": "DefaultSampler", "shuffle": False}
        images = {"data_root": str(data), "ann_file": "a.json", "data_prefix": {"img": ""}}
        found.test_dataloader.dataset.update(images, test_mode=True)
        found.test_evaluator = {
            "type": "CocoMetric",
            "ann_file": str(data / "a.json"),
            "metric": ["bbox", "segm"],
        }
        found.test_cfg = {"type": "TestLoop"}
        if tiling is not None:
            found.tiling = None
        return found

    return config


def weights(tmp_path: Path) -> Path:
    return tmp_path / "blobs_run" / "iter_10.pth"


def by_hand(tmp_path: Path, tile: int) -> float:
    """Return the mask AP of what ``zoo predict`` writes, by pycocotools."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from zoo.data import parse_tiling
    from zoo.engine.prediction.predictor import Predictor

    tiling = parse_tiling("tiles", tile, OVERLAP) if tile else None
    result: Any = Predictor(str(tmp_path / "blobs_run"), score_thr=0.0, tiling=tiling)(
        tmp_path / "data" / "a.png"
    )
    rows = [
        {
            "image_id": 1,
            "category_id": 1,
            "score": float(score),
            "segmentation": result.rle(index),
        }
        for index, score in enumerate(result.scores)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(tmp_path / "data" / "a.json"))
        scored = COCOeval(truth, truth.loadRes(rows), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return float(scored.stats[0])


@pytest.mark.parametrize("tiles", [None, True, False])
def test_test_measures_what_predict_gives_and_says_how(
    read: ReadConfig, tmp_path: Path, tiles: bool | None
) -> None:
    """By default through the config's windows; the other way by a switch."""
    from zoo.engine.measuring.test import test

    out = tmp_path / "test.json"

    metrics = test(read(), weights(tmp_path), out=out, tiles=tiles)

    wanted = by_hand(tmp_path, 0 if tiles is False else TILE)
    assert metrics["coco/segm_mAP"] == pytest.approx(wanted, abs=0.001)
    document = json.loads(out.read_text())
    seen = None if tiles is False else {"tile_px": TILE, "overlap_px": OVERLAP}
    assert document["tiling"] == seen
    assert document["metrics"]["coco/segm_mAP"] == metrics["coco/segm_mAP"]
    assert [row["file"] for row in document["per_image"]] == ["a.png"]


def test_test_of_a_config_without_windows_sees_whole_images(
    read: ReadConfig, tmp_path: Path
) -> None:
    """As predict does; asking for windows is refused with the reason."""
    from zoo.engine.measuring.test import test

    config = read("none")

    metrics = test(config, weights(tmp_path), out=tmp_path / "test.json")

    assert metrics["coco/segm_mAP"] == pytest.approx(by_hand(tmp_path, 0), abs=0.001)
    assert json.loads((tmp_path / "test.json").read_text())["tiling"] is None
    with pytest.raises(ConfigError, match="its config states no windows") as caught:
        test(config, weights(tmp_path), tiles=True)
    assert caught.value.hint == "drop --tiles."


def test_protocol_of_a_published_row_says_how_images_were_seen(
    read: ReadConfig, tmp_path: Path
) -> None:
    """Numbers of windows and of whole images are not taken for each other."""
    from zoo.engine.measuring.test import test
    from zoo.engine.publishing.metrics import read_test_rows
    from zoo.files import digest_of_file

    protocols = []
    for tiles in (True, False):
        out = tmp_path / f"{tiles}.json"
        test(read(), weights(tmp_path), out=out, tiles=tiles)
        rows = read_test_rows(out, digest_of_file(weights(tmp_path)))
        protocols.append({row["protocol"].split(", 1 image")[0] for row in rows})

    seen = ("through windows of 64 px that share 24 px", "whole images")
    assert protocols == [{f"zoo test, CocoMetric, {way}"} for way in seen]


def test_pictures_of_a_test_through_windows_show_what_predict_finds(
    read: ReadConfig, tmp_path: Path
) -> None:
    """Right, missed and false add up to what was found and to the truth; F1 is theirs."""
    import cv2

    from zoo.engine.measuring.test import test
    from zoo.engine.prediction.predictor import Predictor

    test(read(), weights(tmp_path), show_dir=tmp_path / "drawn")

    index = json.loads((tmp_path / "drawn" / "index.json").read_text())
    (row,) = index["pictures"]
    assert row["picture"] == "001_a.png"
    result: Any = Predictor(str(tmp_path / "blobs_run"))(tmp_path / "data" / "a.png")
    truth = discs()
    ious = [
        [(mask & disc).sum() / (mask | disc).sum() for disc in truth]
        for mask in map(result.mask, range(len(result)))
    ]
    right = sum(max(row) >= 0.5 for row in ious)
    assert row["score"] == pytest.approx(2 * right / (len(result) + len(truth)))
    drawn = cv2.imread(str(tmp_path / "drawn" / row["picture"]))
    assert drawn is not None
    assert drawn.shape[1] > 3 * SIDE


def test_model_is_as_before_after_a_test_through_windows() -> None:
    """Its own step, and no more of this one."""
    from mmengine.config import Config

    from zoo.engine.measuring.window_tests import seeing_windows

    class Model:
        def test_step(self, batch: Any) -> str:
            return "own"

        def parameters(self) -> list[Any]:
            return []

    model = Model()
    with seeing_windows(model, Config(), (), None):
        assert model.test_step({}) == "own"
    assert "test_step" not in vars(model)
