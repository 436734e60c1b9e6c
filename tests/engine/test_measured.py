# SPDX-License-Identifier: Apache-2.0
"""Published numbers are those that a test or a run wrote of that very checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError

pytestmark = pytest.mark.mm

SHA256 = "ab" * 32
DOCUMENT: dict[str, Any] = {
    "schema": "zoo.test/1",
    "checkpoint": "best.pth",
    "checkpoint_sha256": SHA256,
    "data": {"name": "lung_xray.LungXrayDataset", "labels": "derived"},
    "evaluator": "zoo.segmentation_metrics.DiceMetric",
    "split": "test",
    "metrics": {"dice_lung": 0.97, "absent": None, "time": 0.1},
}


def _written(path: Path, **over: Any) -> Path:
    path.write_text(json.dumps({**DOCUMENT, **over}))
    return path


def test_rows_of_a_test_say_data_split_labels_and_protocol(tmp_path: Path) -> None:
    from zoo.engine.measured import read_test_rows

    rows = read_test_rows(_written(tmp_path / "test.json"), SHA256)

    assert rows == [
        {
            "name": "dice_lung",
            "value": 0.97,
            "dataset": "lung_xray.LungXrayDataset",
            "split": "test",
            "labels": "derived",
            "protocol": "zoo test, zoo.segmentation_metrics.DiceMetric",
        }
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint_sha256": "cd" * 32}, f"with sha256 {'cd' * 32}, expected {SHA256}"),
        ({"checkpoint_sha256": None}, "with sha256 None"),
        ({"schema": "zoo.prediction/1"}, "its schema is not 'zoo.test/1'"),
        ({"metrics": {"dice": None}}, "it holds no finite number"),
        ({"metrics": [1]}, "it does not say its data and metrics"),
        ({"data": "lungs"}, "it does not say its data and metrics"),
        ({"data": {}}, "it does not say its data and metrics"),
        ({"evaluator": None}, "it does not say its data and metrics"),
    ],
)
def test_rows_of_what_is_no_test_of_it_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    from zoo.engine.measured import read_test_rows

    path = _written(tmp_path / "test.json", **change)

    with pytest.raises(CheckpointError) as raised:
        read_test_rows(path, SHA256)

    assert message in raised.value.message
    assert f"where: {path}\nHINT: measure this one" in str(raised.value)


@pytest.mark.parametrize("text", ["nonsense", "3", '["a"]', ""])
def test_rows_of_no_json_are_refused(tmp_path: Path, text: str) -> None:
    from zoo.engine.measured import read_test_rows

    (tmp_path / "test.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"cannot publish the metrics in 'test\.json'"):
        read_test_rows(tmp_path / "test.json", SHA256)


def test_tests_in_a_work_dir_are_found_by_the_checkpoints_digest(tmp_path: Path) -> None:
    from zoo.engine.measured import find_test_files

    mine = _written(tmp_path / "test.json")
    _written(tmp_path / "of_another.json", checkpoint_sha256="cd" * 32)
    (tmp_path / "torn.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")

    assert find_test_files(tmp_path, SHA256) == [mine]


def test_validation_rows_are_those_of_the_checkpoints_step(tmp_path: Path) -> None:
    """Not the best of the log, not the last: the step at which this file was written."""
    from mmengine.config import Config

    from zoo.engine.checkpoints import Checkpoint
    from zoo.engine.measured import validation_rows

    log = [
        {"loss": 0.5, "lr": 0.1, "iter": 10, "step": 10},
        {"mean_dice": 0.6, "time": 0.1, "step": 10},
        {"loss": 0.4, "lr": 0.1, "iter": 20, "step": 20},
        {"mean_dice": 0.9, "time": 0.1, "step": 20},
    ]
    (tmp_path / "1" / "vis_data").mkdir(parents=True)
    lines = "".join(f"{json.dumps(line)}\n" for line in log)
    (tmp_path / "1" / "vis_data" / "scalars.json").write_text(lines)
    config = Config({"val_evaluator": [{"type": "IoUMetric"}]})

    rows = validation_rows(
        tmp_path, Checkpoint(tmp_path / "a.pth", {}, {"iter": 10}), config, {"name": "d"}
    )

    assert [(row["name"], row["value"], row["split"]) for row in rows] == [
        ("mean_dice", 0.6, "val")
    ]
    assert rows[0]["protocol"] == "validation while training, IoUMetric"
    elsewhere = Checkpoint(tmp_path / "a.pth", {}, {"iter": 15})
    assert validation_rows(tmp_path, elsewhere, config, {"name": "d"}) == []
