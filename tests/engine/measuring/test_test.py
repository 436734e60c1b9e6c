# SPDX-License-Identifier: Apache-2.0
"""Testing a checkpoint: metrics, per-image values of any metric, and refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, ConfigError

pytestmark = pytest.mark.mm


@pytest.fixture
def read(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that reads the squares' config, options laid over it."""
    from zoo.engine.config.reading import read_config

    def run(*options: str) -> Any:
        work_dir = tmp_path / "run"
        return read_config(
            squares_config, cfg_options=options, data=squares_data, work_dir=work_dir
        )

    return run


@pytest.fixture
def weights(read: Callable[..., Any], tmp_path: Path) -> Path:
    """Write a checkpoint of the right shapes; its head prefers the bright class where it is."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(read().model)
    path = tmp_path / "iter_1.pth"
    meta = {"dataset_meta": {"classes": ("ground", "square")}, "iter": 1}
    torch.save({"meta": meta, "state_dict": model.state_dict()}, path)
    return path


def test_test_returns_metrics_and_writes_each_images_values(
    read: Callable[..., Any], weights: Path, tmp_path: Path, squares_data: Path
) -> None:
    """The mean of the images' counts is the whole's: three images, values of each in the file."""
    from zoo.data import read_prepared
    from zoo.engine.measuring.test import test

    out = tmp_path / "out" / "test.json"
    config = read("test_dataloader.batch_size=2")

    metrics = test(config, weights, out=out)

    document = json.loads(out.read_text())
    stems = read_prepared(squares_data).splits["test"].stems
    assert document["schema"] == "zoo.test/1"
    assert document["split"] == "test"
    assert document["checkpoint"] == "iter_1.pth"
    assert document["images"]["count"] == len(stems)
    assert document["images"]["digest"] == document["data"]["splits"]["test"]["digest"]
    assert list(document["images"]["contents"]) == list(stems)
    assert (document["tta"], document["cfg_options"]) == (False, [])
    assert document["metrics"] == {name: float(value) for name, value in metrics.items()}
    assert [row["file"] for row in document["per_image"]] == [f"images/{s}.png" for s in stems]
    assert {tuple(row["values"]) for row in document["per_image"]} == {("aAcc", "mDice", "mAcc")}
    # All images are of one size, so pixel accuracy over all is the mean over images; mmseg rounds.
    mean = sum(row["values"]["aAcc"] for row in document["per_image"]) / len(stems)
    assert mean == pytest.approx(metrics["aAcc"], abs=0.02)


def test_config_that_a_test_leaves_says_what_was_measured(
    read: Callable[..., Any], weights: Path, tmp_path: Path
) -> None:
    """Also a name with braces, in which mmengine would put a variable of the environment."""
    from zoo.engine.config_files.files import parse_config_file
    from zoo.engine.measuring.test import test

    config = read()
    config.note = "{{$HOME:x}}"

    test(config, weights)

    (written,) = Path(config.work_dir).glob("test/*.py")
    (beside,) = Path(config.work_dir).glob("test/*/vis_data/config.py")
    for path in (written, beside):
        assert parse_config_file(path).note == "{{$HOME:x}}"


@pytest.mark.parametrize("split", ["train", "val"])
def test_test_on_another_split_reads_its_images(
    read: Callable[..., Any], weights: Path, tmp_path: Path, squares_data: Path, split: str
) -> None:
    from zoo.data import read_prepared
    from zoo.engine.measuring.test import test

    out = tmp_path / "test.json"

    test(read(), weights, split=split, out=out)

    rows = json.loads(out.read_text())["per_image"]
    stems = read_prepared(squares_data).splits[split].stems
    assert [row["file"] for row in rows] == [f"images/{stem}.png" for stem in stems]


def test_test_of_a_part_tells_images_and_options(
    read: Callable[..., Any], weights: Path, tmp_path: Path, squares_data: Path
) -> None:
    """Nothing in it can be taken for the whole split; folders of the user's stay out."""
    from zoo.data import digest_of, read_prepared
    from zoo.engine.measuring.test import test
    from zoo.engine.publishing.metrics import read_test_rows
    from zoo.files import digest_of_file

    out, option = tmp_path / "test.json", "test_dataloader.dataset.indices=1"

    test(read(option), weights, out=out, cfg_options=[option, f"x={tmp_path}/a"])

    document = json.loads(out.read_text())
    own = next(row for row in read_prepared(squares_data).files if row.split == "test")
    assert document["cfg_options"] == [option, "x=a"]
    assert document["images"] == {
        "count": 1,
        "digest": digest_of([own.stem]),
        "contents": {own.stem: [own.image_sha256, own.source_sha256]},
    }
    with pytest.raises(CheckpointError, match="cfg-options test_dataloader"):
        read_test_rows(out, digest_of_file(weights))


def test_test_leaves_config_and_curves_of_training_alone(
    read: Callable[..., Any], weights: Path, tmp_path: Path
) -> None:
    from zoo.engine.measuring.test import test

    test(read(), weights)

    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["test"]


def test_test_with_weights_of_other_classes_refuses(
    read: Callable[..., Any], weights: Path, tmp_path: Path
) -> None:
    import torch

    from zoo.engine.measuring.test import test

    content = torch.load(weights, weights_only=True)
    content["meta"]["dataset_meta"]["classes"] = ("square", "ground")
    torch.save(content, weights)

    with pytest.raises(CheckpointError) as caught:
        test(read(), weights, out=tmp_path / "no.json")

    assert "classes differ: the checkpoint has 2 (square, ground)" in caught.value.message
    assert not (tmp_path / "no.json").exists()


def test_test_with_weights_of_another_model_refuses(
    read: Callable[..., Any], weights: Path
) -> None:
    from zoo.engine.measuring.test import test

    config = read("model.backbone.base_channels=2", "model.decode_head.in_channels=2")

    with pytest.raises(CheckpointError, match="weights do not fit the model"):
        test(config, weights)


def test_test_without_that_split_refuses(read: Callable[..., Any], weights: Path) -> None:
    from zoo.engine.measuring.test import test

    config = read()
    config.train_dataloader = None

    with pytest.raises(ConfigError, match="cannot test on 'train'"):
        test(config, weights, split="train")
    with pytest.raises(ConfigError, match="no split 'tset': expected one of train, val, test"):
        test(config, weights, split="tset")


def test_test_of_a_config_that_has_no_test_says_that_it_measures_validation(
    read: Callable[..., Any], weights: Path, tmp_path: Path
) -> None:
    """So that nobody takes the numbers for those of a test."""
    from zoo.engine.measuring.test import measured_split, test

    config = read()
    config.test_dataloader = config.test_evaluator = config.test_cfg = None

    test(config, weights, out=tmp_path / "m.json")

    document = json.loads((tmp_path / "m.json").read_text())
    assert document["split"] == measured_split(config, "test") == "val"
    assert document["images"]["count"] == document["data"]["splits"]["val"]["count"]


@pytest.mark.slow
def test_test_measures_labels_after_the_stated_postprocessing(
    read: Callable[..., Any], weights: Path, tmp_path: Path, squares_data: Path
) -> None:
    """Pixel accuracy is NumPy's of the largest part; the file says so, and it can be left out."""
    import torch

    import zoo
    from zoo.engine.measuring.test import test

    classes = ("background", "square")
    stored = torch.load(weights, weights_only=True)
    stored["meta"]["dataset_meta"]["classes"] = classes
    torch.save(stored, weights)
    option = f"test_dataloader.dataset.metainfo.classes={list(classes)}"
    config = read(option, "postprocess.keep_largest.square=1", "postprocess.fill_holes=True")
    config.dump(tmp_path / "config.py")
    predictor = zoo.load(f"{tmp_path / 'config.py'},{weights}", device="cpu", postprocess=None)
    images = [squares_data / "images" / f"{stem}.png" for stem in _stems(squares_data)]
    _make_patchy(predictor, images)
    stored["state_dict"] = predictor.model.module.state_dict()
    torch.save(stored, weights)
    hits = {clean: _hits(predictor, squares_data, images, clean=clean) for clean in (True, False)}

    for postprocess in (True, False):
        out = tmp_path / f"{postprocess}.json"
        metrics = test(config, weights, out=out, postprocess=postprocess)

        expected = 100 * sum(hits[postprocess]) / len(images)
        assert metrics["aAcc"] == pytest.approx(expected, abs=0.006)
        said = "the largest part of square, holes of square filled" if postprocess else None
        assert json.loads(out.read_text()).get("postprocess") == said
    assert hits[True] != hits[False]


def _hits(predictor: Any, data: Path, images: list[Path], *, clean: bool) -> list[float]:
    """Return the share of right pixels of each image, after scipy's cleaning if wanted."""
    import cv2
    import numpy as np
    from scipy import ndimage

    found = []
    for path in images:
        truth = cv2.imread(str(data / "masks" / path.name), cv2.IMREAD_UNCHANGED)
        labels = predictor(path).labels == 1
        if clean:
            parts, number = ndimage.label(labels, np.ones((3, 3)))
            areas = ndimage.sum_labels(labels, parts, np.arange(1, number + 1))
            labels = ndimage.binary_fill_holes(parts == np.argmax(areas) + 1)
        found.append(float((labels == truth).mean()))
    return found


def _make_patchy(predictor: Any, images: list[Path]) -> None:
    """Move the bias of a random network until about a third of the pixels are of class 1.

    It ends in the widest gap between two pixels' scores: sums in another order change no pixel.
    """
    import numpy as np
    import torch

    shares = np.concatenate([predictor.probabilities(path).reshape(2, -1) for path in images], 1)
    leads = np.sort(np.log(shares[1].astype(float)) - np.log(shares[0].astype(float)))
    leads = leads[len(leads) * 6 // 10 : len(leads) * 7 // 10]
    widest = int(np.argmax(np.diff(leads)))
    with torch.no_grad():
        predictor.model.module.decode_head.conv_seg.bias[1] -= leads[widest : widest + 2].mean()


def _stems(prepared: Path) -> tuple[str, ...]:
    from zoo.data import read_prepared

    return tuple(read_prepared(prepared).splits["test"].stems)
