# SPDX-License-Identifier: Apache-2.0
"""``_data_``: the data set of a plugin's row in a config's bases, without stating its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config_files.files import parse_config_file
from zoo.errors import ConfigError, UnknownNameError, ZooError

pytestmark = pytest.mark.mm

_ROW = """
[[dataset]]
name = "{name}"
target = "zoo_cells.data:{name}"
task = "{task}"
classes = {classes}
licence = "CC0-1.0"
{prepare}
"""
_PREPARE = 'prepare = "zoo_cells.data:prepare"'
_ROWS = (
    ("Cells", "semantic", '["none", "cell", "wall"]', _PREPARE),
    ("Nuclei", "instance", '["small", "large"]', _PREPARE),
    ("Mine", "instance", '"from data"', _PREPARE),
    ("Raw", "semantic", '["none", "cell"]', ""),
)
_SEMANTIC = """
dataset_type = "Old"
data_root = "old"
_old = dict(type=dataset_type, data_root=data_root, ann_file="x.txt", reduce_zero_label=True,
            pipeline=[dict(type="LoadAnnotations", reduce_zero_label=True)])
train_dataloader = dict(batch_size=2, dataset=dict(type="RepeatDataset", times=3, dataset=_old))
val_dataloader = dict(dataset=_old)
val_loss_dataloader = dict(dataset=_old)
test_dataloader = dict(dataset=dict(type="ConcatDataset", datasets=[_old, _old]))
model = dict(
    decode_head=dict(num_classes=19, loss_decode=dict(type="CE", class_weight=[1.0] * 19)),
    auxiliary_head=[dict(num_classes=19), dict(num_classes=19)],
)
"""
_INSTANCE = """
_old = dict(type="Old", data_root="old", ann_file="x.json", test_mode=True, pipeline=[])
train_dataloader = dict(dataset=_old)
val_dataloader = dict(dataset=_old)
test_dataloader = dict(dataset=_old)
val_evaluator = [dict(type="CocoMetric", ann_file="x.json"), dict(type="Other")]
test_evaluator = dict(type="CocoMetric", ann_file="x.json")
model = dict(
    rpn_head=dict(num_classes=1),
    roi_head=dict(bbox_head=dict(num_classes=80), mask_head=dict(num_classes=80)),
)
"""


@pytest.fixture
def parsed(write_plugin: Callable[..., Path], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Return a function that parses a config with a base, beside a plugin with data sets."""
    rows = (
        _ROW.format(name=name, task=task, classes=classes, prepare=prepare)
        for name, task, classes, prepare in _ROWS
    )
    write_plugin("cells", "".join(rows))

    def parse(base: str, child: str) -> dict[str, Any]:
        (tmp_path / "base.py").write_text(base)
        (tmp_path / "mine.py").write_text(f"_base_ = 'base.py'\n{child}\n")
        return parse_config_file(tmp_path / "mine.py").to_dict()

    return parse


@pytest.mark.parametrize("name", ["zoo.cells.Cells", "zoo.Cells"])
def test_semantic_data_set_is_in_every_loader_and_its_classes_in_every_head(
    parsed: Callable[..., dict[str, Any]], name: str
) -> None:
    config = parsed(_SEMANTIC, f"_data_ = {name!r}")

    leaves = {
        "train": config["train_dataloader"]["dataset"]["dataset"],
        "val": config["val_dataloader"]["dataset"],
        "test": config["test_dataloader"]["dataset"]["datasets"][0],
    }
    for split, leaf in (*leaves.items(), ("val", config["val_loss_dataloader"]["dataset"])):
        assert leaf == {
            "type": "zoo.cells.Cells",
            "data_root": "data/cells",
            "ann_file": f"splits/{split}.txt",
            "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
            "pipeline": [{"type": "LoadAnnotations"}],
        }
    heads = [config["model"]["decode_head"], *config["model"]["auxiliary_head"]]
    assert [head["num_classes"] for head in heads] == [3, 3, 3]
    assert heads[0]["loss_decode"]["class_weight"] == [1.0] * 3
    assert config["train_dataloader"]["dataset"]["times"] == 3
    assert (config["dataset_type"], config["data_root"]) == ("zoo.cells.Cells", "data/cells")
    assert "_data_" not in config


def test_instance_data_set_sets_the_json_of_metrics_and_both_heads(
    parsed: Callable[..., dict[str, Any]],
) -> None:
    config = parsed(_INSTANCE, "_data_ = dict(type='zoo.cells.Nuclei', data_root='a/b')")

    assert config["val_dataloader"]["dataset"] == {
        "type": "zoo.cells.Nuclei",
        "data_root": "a/b",
        "ann_file": "annotations/val.json",
        "data_prefix": {"img": "images"},
        "test_mode": True,
        "pipeline": [],
    }
    assert config["val_evaluator"] == [
        {"type": "CocoMetric", "ann_file": "a/b/annotations/val.json"},
        {"type": "Other"},
    ]
    assert config["test_evaluator"]["ann_file"] == "a/b/annotations/test.json"
    roi = config["model"]["roi_head"]
    assert (roi["bbox_head"]["num_classes"], roi["mask_head"]["num_classes"]) == (2, 2)
    assert config["model"]["rpn_head"]["num_classes"] == 1


def test_data_set_with_classes_from_data_leaves_the_heads(
    parsed: Callable[..., dict[str, Any]],
) -> None:
    config = parsed(_INSTANCE, "_data_ = 'zoo.cells.Mine'")

    assert config["model"]["roi_head"]["bbox_head"]["num_classes"] == 80


def test_data_set_that_nothing_prepares_keeps_no_files_of_the_old_one(
    parsed: Callable[..., dict[str, Any]],
) -> None:
    """Its class knows where they lie."""
    config = parsed(_SEMANTIC, "_data_ = 'zoo.cells.Raw'")

    leaf = config["val_dataloader"]["dataset"]
    assert set(leaf) == {"type", "data_root", "pipeline"}


def test_what_a_config_states_itself_has_precedence_and_its_heirs_may_change_it(
    parsed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    parsed(
        _SEMANTIC,
        "_data_ = 'zoo.cells.Cells'\n"
        "val_dataloader = dict(dataset=dict(data_root='own'))\n"
        "model = dict(decode_head=dict(num_classes=7))",
    )
    heir = tmp_path / "heir.py"
    heir.write_text("_base_ = 'mine.py'\n")
    other = tmp_path / "other.py"
    other.write_text("_base_ = 'mine.py'\n_data_ = 'zoo.cells.Raw'\n")

    own, changed = parse_config_file(heir), parse_config_file(other)

    assert own.val_dataloader.dataset.data_root == "own"
    assert own.train_dataloader.dataset.dataset.data_root == "data/cells"
    assert own.model.decode_head.num_classes == 7
    assert changed.val_dataloader.dataset.type == "zoo.cells.Raw"
    assert changed.model.decode_head.num_classes == 2


def test_pipeline_can_be_edited_beside_the_data_set(
    parsed: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """What ``_data_`` changes in a loader's pipeline, it changes in the variable that is shared."""
    base = """
train_pipeline = [dict(type="LoadAnnotations", reduce_zero_label=True), dict(type="Resize")]
train_dataloader = dict(dataset=dict(type="Old", pipeline=train_pipeline))
"""
    child = "_data_ = 'zoo.cells.Cells'\ntrain_pipeline = dict(_edit_=True, Resize=dict(scale=8))"

    config = parsed(base, child)

    steps = [{"type": "LoadAnnotations"}, {"type": "Resize", "scale": 8}]
    assert config["train_dataloader"]["dataset"]["pipeline"] == config["train_pipeline"] == steps
    assert not [each for each in caplog.messages if "no data loader" in each]


@pytest.mark.parametrize(
    ("base", "value", "error", "message", "hint"),
    [
        (_SEMANTIC, "'zoo.cells.Cels'", UnknownNameError, "no dataset named", "cells.Cells"),
        (
            _SEMANTIC,
            "'zoo.ponds.Ponds'",
            UnknownNameError,
            "no plugin 'ponds' is installed",
            "pip install mmzoo-ponds",
        ),
        (_SEMANTIC, "'zoo.cells.Nuclei'", ConfigError, "cannot use instance data", "config"),
        (_INSTANCE, "'zoo.cells.Cells'", ConfigError, "cannot use semantic data", "config"),
        ("a = 1", "'zoo.cells.Cells'", ConfigError, "have no train_dataloader", "--bases"),
        (_SEMANTIC, "3", ConfigError, "it is 3, expected the type", "_data_ ="),
        (_SEMANTIC, "'cells.Cells'", ConfigError, "expected the type", "_data_ ="),
        (_SEMANTIC, "'mmseg.ADE20KDataset'", ConfigError, "expected the type", "_data_ ="),
        (_SEMANTIC, "None", ConfigError, "it is None, expected the type", "_data_ ="),
        (_SEMANTIC, "dict(data_root='x')", ConfigError, "expected the type", "_data_ ="),
        (_SEMANTIC, "dict(type='zoo.cells.Cells', root=3)", ConfigError, "expected", "_data_ ="),
        (_SEMANTIC, "dict(type='zoo.cells.Cells', data_root=3)", ConfigError, "expect", "_data_ ="),
    ],
)
def test_data_set_that_does_not_fit_is_refused_with_its_file(
    parsed: Callable[..., dict[str, Any]],
    tmp_path: Path,
    base: str,
    value: str,
    error: type[ZooError],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(error) as caught:
        parsed(base, f"_data_ = {value}")

    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert caught.value.where == f"_data_ in {tmp_path / 'mine.py'}"
