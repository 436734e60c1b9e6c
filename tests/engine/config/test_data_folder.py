# SPDX-License-Identifier: Apache-2.0
"""What ``--data`` sets in a config, through every wrapper and in every head."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.data_folder import bind_data
from zoo.engine.config_parts.parts import family_of, iterate_leaves
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.mm


def _loader(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"batch_size": 2, "dataset": dataset}


def _ade(**more: Any) -> dict[str, Any]:
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "mmseg.LoadAnnotations", "reduce_zero_label": True},
    ]
    kept = {"type": "ADE20KDataset", "data_root": "data/ade", "img_suffix": ".jpg"}
    return kept | {"pipeline": pipeline, "reduce_zero_label": True, "indices": 5} | more


@pytest.fixture
def config() -> dict[str, Any]:
    wrapped = {"type": "RepeatDataset", "times": 3, "dataset": _ade()}
    joined = {"type": "ConcatDataset", "datasets": [wrapped, _ade(data_root="data/other")]}
    val = _loader(_ade())
    return {
        "model": {
            "backbone": {"num_classes": 1000},
            "decode_head": [{"num_classes": 150}, {"num_classes": 150, "out_channels": 150}],
            "auxiliary_head": {"num_classes": 150},
        },
        "train_dataloader": _loader(joined),
        "val_dataloader": val,
        "test_dataloader": val,
    }


def test_bind_data_sets_data_sets_inside_wrappers(
    config: dict[str, Any], squares_data: Path
) -> None:
    bind_data(config, squares_data)

    train = config["train_dataloader"]["dataset"]
    assert train["type"] == "ConcatDataset"
    assert len(train["datasets"]) == 1
    leaf = train["datasets"][0]["dataset"]
    assert leaf == {
        "type": "zoo.squares.SquareDataset",
        "data_root": str(squares_data),
        "ann_file": "splits/train.txt",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": ["ground", "square"], "palette": [[0, 0, 0], [250, 200, 0]]},
        "pipeline": [{"type": "LoadImageFromFile"}, {"type": "mmseg.LoadAnnotations"}],
        "indices": 5,
    }
    splits = [config[f"{name}_dataloader"]["dataset"]["ann_file"] for name in ("val", "test")]
    assert splits == ["splits/val.txt", "splits/test.txt"]


def test_bind_data_binds_loaders_that_hooks_bring(
    config: dict[str, Any], squares_data: Path
) -> None:
    """``val_loss_dataloader`` reads the split val; what is no loader of a split stays."""
    config |= {"val_loss_dataloader": _loader(_ade()), "other_dataloader": _loader(_ade())}

    bind_data(config, squares_data)

    bound = config["val_loss_dataloader"]["dataset"]
    assert bound == config["val_dataloader"]["dataset"]
    assert bound["ann_file"] == "splits/val.txt"
    assert config["other_dataloader"] == _loader(_ade())


def test_bind_data_counts_classes_in_every_head_and_nowhere_else(
    config: dict[str, Any], squares_data: Path
) -> None:
    bind_data(config, squares_data)

    model = config["model"]
    assert model["backbone"]["num_classes"] == 1000
    assert model["decode_head"] == [{"num_classes": 2}, {"num_classes": 2, "out_channels": 2}]
    assert model["auxiliary_head"]["num_classes"] == 2


@pytest.mark.parametrize(
    ("old", "weights", "expected"),
    [
        (3, [1.0, 1.0, 1.0], [1.0, 1.0]),
        (3, [1.0, 1.0, 1.0, 0.1], [1.0, 1.0, 0.1]),
        (3, [0.5, 1.0, 2.0], None),
        (2, [0.5, 2.0], [0.5, 2.0]),
    ],
    ids=["equal", "no-object-last", "of-other-classes", "same-count"],
)
def test_bind_data_keeps_class_weights_only_where_they_mean_something(
    squares_data: Path, old: int, weights: list[float], expected: list[float] | None
) -> None:
    head = {"num_classes": old, "loss_decode": [{"type": "A"}, {"class_weight": weights}]}
    config = {"model": {"decode_head": head}, "train_dataloader": _loader(_ade())}

    bind_data(config, squares_data)

    assert head["loss_decode"][1]["class_weight"] == expected


@pytest.mark.parametrize(("count", "channels"), [(2, 1), (3, None)])
def test_bind_data_keeps_one_channel_for_two_classes_only(
    squares_data: Path, count: int, channels: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.engine.config_parts.class_counts import set_class_counts

    head = {"num_classes": 2, "out_channels": 1}

    set_class_counts({"decode_head": head}, count)

    assert head == {"num_classes": count, "out_channels": channels}


def test_bind_data_of_the_other_task_refuses(squares_data: Path) -> None:
    config = {"model": {"roi_head": {}}, "train_dataloader": _loader(_ade())}

    with pytest.raises(ConfigError) as caught:
        bind_data(config, squares_data)

    assert caught.value.message == (
        "cannot use semantic data with a model for instance segmentation."
    )


def test_bind_data_without_loader_or_folder_refuses(
    config: dict[str, Any], squares_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="the config has no train_dataloader"):
        bind_data({"model": {}}, squares_data)
    with pytest.raises(DataError, match=r"no dataset\.json"):
        bind_data(config, tmp_path)


def empty_split(monkeypatch: pytest.MonkeyPatch, root: Path, name: str) -> None:
    """Have the folder's split of that name hold nothing, as prepared with a share of 0."""
    import dataclasses

    import zoo.data

    prepared = zoo.data.read_prepared(root)
    splits = dict(prepared.splits) | {name: zoo.data.Split((), 0, "")}
    changed = dataclasses.replace(prepared, splits=splits)
    monkeypatch.setattr(zoo.data, "read_prepared", lambda _: changed)


def test_bind_data_with_nothing_to_train_on_can_be_measured(
    config: dict[str, Any], squares_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a hospital whose images are all for a test; training says what is missing."""
    from mmengine.config import Config

    from zoo.engine.runs.train import train

    empty_split(monkeypatch, squares_data, "train")
    config |= {"train_cfg": {"by_epoch": True}, "optim_wrapper": {"type": "OptimWrapper"}}

    bind_data(config, squares_data)

    assert config["train_dataloader"] is None
    assert config["test_dataloader"]["dataset"]["data_root"] == str(squares_data)
    with pytest.raises(DataError, match="its split 'train' is empty") as caught:
        train(Config(config))
    assert (caught.value.where, "--shares" in str(caught.value.hint)) == (str(squares_data), True)


def test_bind_data_with_empty_validation_leaves_it_out(
    config: dict[str, Any], squares_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of 0 is the user's choice: nothing is validated, and nothing can be best."""
    empty_split(monkeypatch, squares_data, "val")
    config |= {"val_cfg": {}, "val_evaluator": {}, "val_loss_dataloader": _loader(_ade())}
    config["default_hooks"] = {"checkpoint": {"interval": 5, "save_best": "mIoU"}}

    bind_data(config, squares_data)

    parts = ("dataloader", "loss_dataloader", "cfg", "evaluator")
    assert [config[f"val_{part}"] for part in parts] == [None] * 4
    assert config["default_hooks"]["checkpoint"] == {"interval": 5}
    json.dumps(config)


def test_iterate_leaves_gives_dotted_keys(config: dict[str, Any]) -> None:
    dataset = copy.deepcopy(config["train_dataloader"]["dataset"])

    keys = [key for key, _ in iterate_leaves(dataset, "train_dataloader.dataset")]

    assert keys == [
        "train_dataloader.dataset.datasets.0.dataset",
        "train_dataloader.dataset.datasets.1",
    ]


@pytest.mark.parametrize(
    ("model", "family"),
    [({"decode_head": {}}, "semantic"), ({"mask_head": {}}, "instance"), ({"x": 1}, None)],
)
def test_family_of_model_by_its_heads(model: dict[str, Any], family: str | None) -> None:
    assert family_of({"model": model}) == family
