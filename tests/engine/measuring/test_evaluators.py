# SPDX-License-Identifier: Apache-2.0
"""Evaluators of plugins: trained with, tested, published and measured, in each way to write one."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import UnknownNameError

pytestmark = pytest.mark.mm

_MANIFEST = """
[plugin]
name = "judges"
version = "0.1.0"
api = 1
summary = "Evaluators"
license = "Apache-2.0"
"""
_NAMES = ("Adding", "Fixed", "Bare")
_PARTS = '''
from mmengine.evaluator import Evaluator


class Adding(Evaluator):
    """Adds a value that is made of all others, and counts the images."""

    def __init__(self, metrics, name="score"):
        super().__init__(metrics)
        self.name, self.seen = name, 0

    def process(self, data_samples, data_batch=None):
        self.seen += len(data_samples)
        super().process(data_samples, data_batch)

    def evaluate(self, size):
        values, seen, self.seen = super().evaluate(size), self.seen, 0
        return {**values, self.name: sum(values.values()), "seen": seen}


class Fixed(Adding):
    """Brings its own metric, and has a value of COCO's that is none."""

    def __init__(self):
        super().__init__([dict(type="mmseg.IoUMetric", iou_metrics=["mDice"])])

    def evaluate(self, size):
        return {**super().evaluate(size), "coco/bbox_mAP": -1.0}


class Bare:
    """Has no base class and no metrics."""

    def __init__(self):
        self.right = []

    def process(self, data_samples, data_batch=None):
        for sample in data_samples:
            sample = sample if isinstance(sample, dict) else sample.to_dict()
            agree = sample["pred_sem_seg"]["data"] == sample["gt_sem_seg"]["data"]
            self.right.append((sample["img_path"], float(agree.float().mean())))

    def evaluate(self, size):
        self.last, self.right = self.right[:size], []
        return {"mDice": 100 * sum(share for _, share in self.last) / len(self.last)}

    def per_image_values(self):
        return [{"file": file, "values": {"right": share}} for file, share in self.last]
'''
_IOU = {"type": "IoUMetric", "iou_metrics": ["mDice"]}
# What stands in the config -> the protocol that names it, its values, and those of each image.
_EVALUATORS: dict[str, tuple[dict[str, Any], str, set[str], set[str]]] = {
    "adding": (
        {"type": "zoo.judges.Adding", "metrics": [_IOU]},
        "zoo.judges.Adding(IoUMetric)",
        {"aAcc", "mDice", "mAcc", "score", "seen"},
        {"aAcc", "mDice", "mAcc"},
    ),
    "adding, short name and one metric": (
        {"type": "zoo.Adding", "metrics": _IOU, "name": "sum"},
        "zoo.Adding(IoUMetric)",
        {"aAcc", "mDice", "mAcc", "sum", "seen"},
        {"aAcc", "mDice", "mAcc"},
    ),
    "fixed": (
        {"type": "zoo.judges.Fixed"},
        "zoo.judges.Fixed",
        {"aAcc", "mDice", "mAcc", "score", "seen", "coco/bbox_mAP"},
        {"aAcc", "mDice", "mAcc"},
    ),
    "bare": ({"type": "zoo.judges.Bare"}, "zoo.judges.Bare", {"mDice"}, {"right"}),
    "plain": (
        {"type": "Evaluator", "metrics": [_IOU]},
        "IoUMetric",
        {"aAcc", "mDice", "mAcc"},
        {"aAcc", "mDice", "mAcc"},
    ),
}


@pytest.fixture(scope="module")
def judges_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the plugin once: a package is imported from one place only."""
    folder = tmp_path_factory.mktemp("judges")
    package = folder / "zoo_judges"
    package.mkdir()
    rows = [f'[[evaluator]]\nname = "{n}"\ntarget = "zoo_judges.parts:{n}"\n' for n in _NAMES]
    (package / "zoo_plugin.toml").write_text(_MANIFEST + "\n".join(rows))
    (package / "__init__.py").write_text("import zoo\n")
    (package / "parts.py").write_text(_PARTS)
    return folder


@pytest.fixture
def read(
    judges_folder: Path,
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[dict[str, Any]], Any]:
    """Return a function that reads the squares' config with another evaluator."""
    from zoo.catalog import forget_catalog
    from zoo.engine.config.reading import read_config

    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{judges_folder}{os.pathsep}{squares}")
    forget_catalog()

    def run(evaluator: dict[str, Any]) -> Any:
        line = f"val_evaluator = test_evaluator = {evaluator!r}\n"
        squares_config.write_text(f"{squares_config.read_text()}\n{line}")
        return read_config(squares_config, data=squares_data, work_dir=tmp_path / "run")

    return run


@pytest.mark.parametrize("name", _EVALUATORS)
def test_test_with_evaluator_gives_its_values_whether_they_are_written_or_not(
    read: Callable[[dict[str, Any]], Any], tmp_path: Path, name: str
) -> None:
    """`--out` adds values of each image and changes none; the file names the evaluator."""
    import torch
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.measuring.test import test

    evaluator, protocol, names, of_images = _EVALUATORS[name]
    config = read(evaluator)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    meta = {"dataset_meta": {"classes": ("ground", "square")}, "iter": 1}
    state = MODELS.build(config.model).state_dict()
    torch.save({"meta": meta, "state_dict": state}, tmp_path / "iter_1.pth")

    plain = test(config, tmp_path / "iter_1.pth")
    kept = test(config, tmp_path / "iter_1.pth", out=tmp_path / "test.json")

    document = json.loads((tmp_path / "test.json").read_text())
    count = document["images"]["count"]
    assert set(plain) == names
    assert kept == pytest.approx(plain, nan_ok=True)
    assert plain.get("seen", count) == count > 1
    assert document["evaluator"] == protocol
    assert [set(row["values"]) for row in document["per_image"]] == [of_images] * count
    assert document["metrics"].get("coco/bbox_mAP") is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adding", "bare"])
def test_run_with_evaluator_of_plugin_trains_and_is_published(
    read: Callable[[dict[str, Any]], Any], tmp_path: Path, squares_data: Path, name: str
) -> None:
    """`save_best` takes its value; test, publish, measure and predict work without extra words."""
    import zoo
    from zoo.cli import main
    from zoo.engine.runs.train import train

    evaluator, protocol, names, _ = _EVALUATORS[name]
    run = train(read(evaluator))

    def call(*words: str) -> None:
        main([*words], standalone_mode=False)

    assert list(run.glob("best_mDice_*.pth"))
    call("test", str(run), "--out", str(run / "test.json"))
    call("publish", str(run), "--name", "tiny", "--out", str(tmp_path / "out"))
    measured = zoo.measure(run, squares_data)
    images = sorted(map(str, (squares_data / "images").glob("*.png")))[:2]
    call("predict", str(run), *images, "--out", str(tmp_path / "predicted"))

    row = tomllib.loads((tmp_path / "out" / "tiny.toml").read_text())["weights"][0]
    assert {each["name"] for each in row["metrics"]} == set(measured) == names
    assert {each["protocol"].split(", ")[1] for each in row["metrics"]} == {protocol}
    assert (tmp_path / "predicted" / "predictions.json").is_file()


@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        ({"type": "zoo.judges.Addin", "metrics": [_IOU]}, "no evaluator named 'judges.Addin'"),
        ({"type": "zoo.judges.Adding", "metrics": [{"type": "IoU"}]}, "no metric named 'IoU'"),
        ({"type": "zoo.judges.Bar"}, "no metric named 'judges.Bar'"),
    ],
    ids=["evaluator", "its metric", "metric"],
)
def test_unknown_name_in_an_evaluator_is_refused_with_its_kind(
    read: Callable[[dict[str, Any]], Any], evaluator: dict[str, Any], message: str
) -> None:
    """A dict with metrics is an evaluator, one without is a metric unless an evaluator fits."""
    from zoo.engine.config.type_names import check_type_names

    config = read(evaluator)

    with pytest.raises(UnknownNameError, match=message) as caught:
        check_type_names(config)

    assert str(caught.value.where).startswith("val_evaluator")


@pytest.mark.parametrize("name", ["zoo.judges.Reading", "zoo.Reading"])
def test_evaluator_that_reads_coco_json_gets_that_of_the_folder(
    monkeypatch: pytest.MonkeyPatch, write_plugin: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    """`--data` binds an evaluator that brings its own metrics as it binds a metric."""
    from zoo.catalog import forget_catalog
    from zoo.engine.config.evaluators import bind_evaluator

    row = '[[evaluator]]\nname = "Reading"\ntarget = "zoo_readers.parts:Reading"\n'
    parts = "class Reading:\n    def __init__(self, ann_file=None):\n        pass\n"
    package = write_plugin("readers", row, parts=parts)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package.parent))
    forget_catalog()
    own = name.replace("judges", "readers")
    config = {"default_scope": "mmdet", "test_evaluator": {"type": own}}

    bind_evaluator(config, "test_evaluator", tmp_path / "test.json")

    assert config["test_evaluator"] == {"type": own, "ann_file": str(tmp_path / "test.json")}
