# SPDX-License-Identifier: Apache-2.0
"""The configs of the guide docs/guide/configs.md, word by word, on the shipped bases."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config_files.files import find_config_file, parse_config_file

pytestmark = pytest.mark.mm

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "configs.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
# A data set that is not shipped: its name, its task and its classes.
_ROWS = """
[[dataset]]
name = "{name}"
target = "zoo_{plugin}.dataset:{name}"
task = "{task}"
classes = {classes}
licence = "CC0-1.0"
prepare = "zoo_{plugin}.prepare:prepare"
"""
_MOST_LINES = 12


@pytest.fixture
def parsed(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """Return a function that parses a config beside the two plugins that the guide speaks of."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    ponds = {"name": "PondDataset", "task": "semantic", "classes": '["a", "b", "c"]'}
    roofs = {"name": "RoofDataset", "task": "instance", "classes": '["panel", "heater"]'}
    write_plugin("ponds", _ROWS.format(plugin="ponds", **ponds))
    write_plugin("roofs", _ROWS.format(plugin="roofs", **roofs))

    def parse(text: str) -> dict[str, Any]:
        path = tmp_path / "mine.py"
        path.write_text(text)
        return parse_config_file(path).to_dict()

    return parse


def _leaves(config: dict[str, Any]) -> set[tuple[str, str]]:
    keys = ("train_dataloader", "val_dataloader", "val_loss_dataloader", "test_dataloader")
    leaves = [config[key]["dataset"] for key in keys]
    return {(leaf["type"], leaf["data_root"]) for leaf in leaves}


@pytest.mark.parametrize("text", EXAMPLES)
def test_config_of_the_guide_is_short_and_whole(
    parsed: Callable[[str], dict[str, Any]], text: str
) -> None:
    """A plugin's config is about ten lines, and has what a run needs."""
    assert len(text.split("\n")) <= _MOST_LINES

    config = parsed(text)

    needed = {"model", "train_dataloader", "train_cfg", "optim_wrapper", "default_hooks"}
    assert needed <= set(config)
    assert not {"_base_", "_data_", "_resize"} & set(config)
    assert "_edit_" not in repr(config)


def test_semantic_config_of_the_guide_differs_from_its_base_by_its_data(
    parsed: Callable[[str], dict[str, Any]],
) -> None:
    config = parsed(EXAMPLES[0])

    base = parse_config_file(find_config_file("unet_small_folder-512")).to_dict()
    assert _leaves(config) == {("zoo.ponds.PondDataset", "data/ponds")}
    assert config["model"]["decode_head"]["num_classes"] == 3
    differing = {key for key in config if config[key] != base[key]}
    loaders = {key for key in config if key.endswith("_dataloader")}
    assert differing == loaders | {"model", "dataset_type", "data_root"}
    for key in loaders:
        assert config[key]["dataset"]["pipeline"] == base[key]["dataset"]["pipeline"]


def test_instance_config_of_the_guide_has_two_classes_and_its_own_size(
    parsed: Callable[[str], dict[str, Any]],
) -> None:
    config = parsed(EXAMPLES[1])

    base = parse_config_file(find_config_file("mask_rcnn_efficientnet-lite0_folder-384")).to_dict()
    roi = config["model"]["roi_head"]
    assert (roi["bbox_head"]["num_classes"], roi["mask_head"]["num_classes"]) == (2, 2)
    assert _leaves(config) == {("zoo.roofs.RoofDataset", "data/roofs")}
    for split in ("val", "test"):
        path = f"data/roofs/annotations/{split}.json"
        assert config[f"{split}_evaluator"]["ann_file"] == path
    crops = [
        step["size"]
        for step in config["train_dataloader"]["dataset"]["pipeline"]
        if step["type"].endswith("RandomInstanceCrop")
    ]
    assert crops == [(512, 512)]
    assert config["custom_hooks"] == [
        *base["custom_hooks"],
        {"type": "zoo.roofs.KeepDataRecord"},
    ]
    assert [step["end"] for step in config["param_scheduler"]] == [50, 3000]


def test_config_of_the_guide_made_of_parts_is_the_sum_of_them(
    parsed: Callable[[str], dict[str, Any]],
) -> None:
    """One model, one data, one schedule and one runtime have no key in common."""
    (text,) = [each for each in EXAMPLES if "zoo::unet_vgg16" in each]

    config = parsed(text)

    parts = ("unet_vgg16", "schedule_1200", "default_runtime")
    for part in parts:
        for key, value in parse_config_file(find_config_file(f"zoo::{part}")).to_dict().items():
            assert key == "model" or config[key] == value, key


def test_pipelines_of_tanks_384_are_what_they_are_written_out() -> None:
    """A shipped config that edits its base's pipelines, beside the pipelines themselves."""
    config = parse_config_file(find_config_file("mask_rcnn_efficientnet-lite0_tanks-384")).to_dict()

    load = {"type": "LoadImageFromFile"}
    outlines = {"type": "zoo.segmentation_transforms.LoadInstanceAnnotations"}
    resize = {"type": "Resize", "scale_factor": 1.5, "keep_ratio": True}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    train = [
        load,
        outlines,
        {
            "type": "zoo.segmentation_transforms.RandomInstanceCrop",
            "size": (384, 384),
            "degree": 180,
            "scale": (1.5 / 1.6, 1.5 * 1.6),
        },
        {"type": "PhotoMetricDistortion"},
        {"type": "PackDetInputs"},
    ]
    test = [
        load,
        resize,
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "PackDetInputs", "meta_keys": keys},
    ]
    loss = [load, outlines, resize, {"type": "PackDetInputs"}]
    assert config["train_pipeline"] == config["train_dataloader"]["dataset"]["pipeline"] == train
    assert config["test_pipeline"] == config["test_dataloader"]["dataset"]["pipeline"] == test
    assert config["val_dataloader"]["dataset"]["pipeline"] == test
    assert config["val_loss_dataloader"]["dataset"]["pipeline"] == loss
