# SPDX-License-Identifier: Apache-2.0
"""Published numbers are those that a test or a run wrote of that very checkpoint."""

from __future__ import annotations

import hashlib
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
    from zoo.engine.publishing.metrics import read_test_rows

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


def test_rows_leave_out_cocos_minus_one(tmp_path: Path) -> None:
    """Of a file that an older zoo wrote, too; another metric may be -1."""
    from zoo.engine.publishing.metrics import read_test_rows

    metrics = {"coco/segm_mAP": 0.5, "coco/segm_mAP_s": -1.0, "coco/AR@100": -1, "lvis/APr": -1.0}
    path = _written(tmp_path / "test.json", metrics={**metrics, "count_bias": -1.0})

    rows = read_test_rows(path, SHA256)

    assert {row["name"]: row["value"] for row in rows} == {"coco/segm_mAP": 0.5, "count_bias": -1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint_sha256": "cd" * 32}, f"with sha256 {'cd' * 32}, expected {SHA256}"),
        ({"checkpoint_sha256": None}, "with sha256 None"),
        ({"schema": "zoo.prediction/1"}, "its schema is not 'zoo.test/1'"),
        ({"metrics": {"dice": None}}, "it holds no finite number"),
        ({"metrics": {"coco/bbox_mAP": -1.0}}, "it holds no finite number"),
        ({"metrics": [1]}, "it does not state its data and metrics"),
        ({"data": "lungs"}, "it does not state its data and metrics"),
        ({"data": {}}, "it does not state its data and metrics"),
        ({"evaluator": None}, "it does not state its data and metrics"),
    ],
)
def test_rows_of_what_is_no_test_of_it_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    from zoo.engine.publishing.metrics import read_test_rows

    path = _written(tmp_path / "test.json", **change)

    with pytest.raises(CheckpointError) as raised:
        read_test_rows(path, SHA256)

    assert message in raised.value.message
    assert f"where: {path}\nHINT: measure this one" in str(raised.value)


@pytest.mark.parametrize("text", ["nonsense", "3", '["a"]', ""])
def test_rows_of_no_json_are_refused(tmp_path: Path, text: str) -> None:
    from zoo.engine.publishing.metrics import read_test_rows

    (tmp_path / "test.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"cannot publish the metrics in 'test\.json'"):
        read_test_rows(tmp_path / "test.json", SHA256)


def _digest(*stems: str) -> str:
    """Return the sha256 of a list of stems, written out."""
    return hashlib.sha256("".join(f"{stem}\n" for stem in stems).encode()).hexdigest()


SPLITS = {
    "train": {"count": 3, "groups": 3, "digest": _digest("a", "b", "c")},
    "val": {"count": 1, "groups": 1, "digest": _digest("d")},
    "test": {"count": 2, "groups": 2, "digest": _digest("e", "f")},
}
DATA = {"name": "lungs", "labels": "true", "digest": "0" * 64, "splits": SPLITS}
WHOLE = {"count": 2, "digest": _digest("e", "f")}


def _per_image(*stems: str) -> list[dict[str, Any]]:
    return [{"file": f"images/{stem}.png", "values": {}} for stem in stems]


@pytest.mark.parametrize("form", ["now", "older"])
def test_rows_say_how_many_images_and_which(tmp_path: Path, form: str) -> None:
    """A file of before they were counted has them in its rows by image."""
    from zoo.engine.publishing.metrics import read_test_rows

    said = {"now": {"images": WHOLE}, "older": {"per_image": _per_image("f", "e")}}[form]

    (row,) = read_test_rows(_written(tmp_path / "test.json", data=DATA, **said), SHA256)

    assert (row["images"], row["images_sha256"]) == (2, _digest("e", "f"))
    evaluator = "zoo.segmentation_metrics.DiceMetric"
    listed = f"2 images, sha256 of their list {_digest('e', 'f')[:12]}"
    assert row["protocol"] == f"zoo test, {evaluator}, {listed}"


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (
            {"images": {"count": 1, "digest": _digest("e")}},
            "1 images were measured, which are not the 2 of the split 'test'",
            "measure the whole split: zoo test WORK_DIR --out FILE.json.",
        ),
        (
            {"per_image": _per_image("e")},
            "1 images were measured, which are not the 2 of the split 'test'",
            "measure the whole split",
        ),
        (
            {"images": {"count": 2, "digest": _digest("a", "b")}},
            "2 images were measured, which are not the 2 of the split 'test'",
            "measure the whole split",
        ),
        (
            {"images": {"count": 1, "digest": _digest("d")}},
            "they are for the split 'val', and called 'test'",
            "zoo test WORK_DIR --split val --out FILE.json.",
        ),
        (
            {"images": WHOLE, "cfg_options": ["test_dataloader.dataset.indices=2"]},
            "they were measured with --cfg-options test_dataloader.dataset.indices=2, which",
            "measure without it",
        ),
        (
            {"images": WHOLE, "cfg_options": ["a=1", "test_evaluator.0.ignore_index=0"]},
            "they were measured with --cfg-options test_evaluator.0.ignore_index=0",
            "measure without it",
        ),
        (
            {"images": WHOLE, "cfg_options": ["val_evaluator=dict(type='X')"]},
            "they were measured with --cfg-options val_evaluator=dict(type='X')",
            "measure without it",
        ),
        (
            {"images": ["x"]},
            "its statement of what was measured is not as expected",
            "measure this one",
        ),
        (
            {"images": {"count": 2}},
            "its statement of what was measured is not as expected",
            "measure this one",
        ),
        (
            {"per_image": [3]},
            "its statement of what was measured is not as expected",
            "measure this one",
        ),
    ],
)
def test_rows_of_a_part_or_of_another_evaluation_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str, hint: str
) -> None:
    from zoo.engine.publishing.metrics import read_test_rows

    path = _written(tmp_path / "test.json", **{"data": DATA, **change})

    with pytest.raises(CheckpointError) as raised:
        read_test_rows(path, SHA256)

    assert f"cannot publish the metrics in 'test.json': {message}" in raised.value.message
    assert hint in str(raised.value.hint)


def test_rows_name_test_time_augmentation_and_harmless_options(tmp_path: Path) -> None:
    from zoo.engine.publishing.metrics import read_test_rows

    options = ["test_dataloader.num_workers=0", "model.test_cfg.mode=slide"]
    said = {"images": WHOLE, "tta": True, "cfg_options": options}

    (row,) = read_test_rows(_written(tmp_path / "test.json", data=DATA, **said), SHA256)

    way = f"zoo test with test-time augmentation --cfg-options {' '.join(options)}, zoo."
    assert row["protocol"].startswith(way)


def _run(root: Path | None, digest: str | None) -> Any:
    from mmengine.config import Config

    from zoo.engine.work_dir.run_facts import RunFacts

    data = {"name": "squares", "digest": digest}
    return RunFacts(Config(), "unet", Path("best.pth"), Path("run"), data, root)


@pytest.mark.parametrize("split", ["train", "val"])
def test_rows_of_images_that_the_run_has_seen_are_refused(
    tmp_path: Path, squares_data: Path, split: str
) -> None:
    """Another folder calls them its test: by the image's digest, or by that of its source."""
    from zoo.data import read_prepared
    from zoo.engine.publishing.metrics import read_test_rows

    own = next(row for row in read_prepared(squares_data).files if row.split == split)
    run = _run(squares_data, "1" * 64)
    for digest in (own.image_sha256, own.source_sha256):
        contents = {"e": ["2" * 64, "3" * 64], "f": ["4" * 64, digest]}
        images = {**WHOLE, "contents": contents}
        path = _written(tmp_path / "test.json", data=DATA, images=images)

        with pytest.raises(CheckpointError) as raised:
            read_test_rows(path, SHA256, run)

        assert "1 of the 2 images, such as 'f', are among those" in raised.value.message
        called = _written(tmp_path / "train.json", data=DATA, images=images, split="train")
        assert read_test_rows(called, SHA256, run)


@pytest.mark.parametrize(
    ("contents", "has_root", "text"),
    [
        ({"e": ["2" * 64], "f": ["4" * 64]}, True, "; of other data than the run's"),
        (None, True, "; of other data than the run's, and not compared with what it was trained"),
        ({"e": ["2" * 64]}, False, "; of other data than the run's, and not compared"),
    ],
)
def test_rows_of_other_data_say_so(
    tmp_path: Path, squares_data: Path, contents: Any, has_root: bool, text: str
) -> None:
    from zoo.engine.publishing.metrics import read_test_rows

    images = WHOLE if contents is None else {**WHOLE, "contents": contents}
    path = _written(tmp_path / "test.json", data=DATA, images=images)
    root = squares_data if has_root else None

    (other,) = read_test_rows(path, SHA256, _run(root, "1" * 64))
    (own,) = read_test_rows(path, SHA256, _run(root, "0" * 64))

    assert text in other["protocol"]
    assert other["protocol"].endswith("run's") == (contents is not None and has_root)
    assert "other data" not in own["protocol"]


def test_rows_of_images_of_earlier_data_are_refused(tmp_path: Path, squares_data: Path) -> None:
    """The run went on with the data that is measured, after it was trained on those images."""
    from dataclasses import replace

    from zoo.engine.dataset.history import DataUse
    from zoo.engine.publishing.metrics import read_test_rows

    seen = DataUse("7" * 64, "squares, first", 0, {"train": ["4" * 16], "val": ["5" * 16]})
    now = DataUse("0" * 64, "squares", 6, {"train": ["6" * 16], "val": []})
    run = replace(_run(squares_data, "0" * 64), history=(seen, now))
    for known, is_refused in (("4" * 64, True), ("5" * 64, True), ("8" * 64, False)):
        contents = {"e": ["2" * 64], "f": [known]}
        images = {**WHOLE, "contents": contents}
        path = _written(tmp_path / "test.json", data=DATA, images=images)

        if is_refused:
            with pytest.raises(CheckpointError, match="1 of the 2 images, such as 'f', are among"):
                read_test_rows(path, SHA256, run)
        else:
            (row,) = read_test_rows(path, SHA256, run)
            assert "compared" not in row["protocol"]
    unknown = replace(run, history=(replace(seen, images={}), now))
    (row,) = read_test_rows(path, SHA256, unknown)
    assert row["protocol"].endswith("; not compared with what the run was trained on earlier")


def test_tests_in_a_work_dir_are_found_by_the_checkpoints_digest(tmp_path: Path) -> None:
    from zoo.engine.publishing.metrics import find_test_files

    mine = _written(tmp_path / "test.json")
    _written(tmp_path / "of_another.json", checkpoint_sha256="cd" * 32)
    (tmp_path / "torn.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")

    assert find_test_files(tmp_path, SHA256) == [mine]


def test_validation_rows_are_those_of_the_checkpoints_step(tmp_path: Path) -> None:
    """Not the best of the log, not the last: the step at which this file was written."""
    from mmengine.config import Config

    from zoo.engine.checkpoints.checkpoint import Checkpoint
    from zoo.engine.publishing.metrics import validation_rows

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


def test_rows_of_mmsegs_metric_are_in_percent(tmp_path: Path) -> None:
    """Its IoUMetric multiplies by 100; those of other metrics are fractions."""
    pytest.importorskip("mmengine")
    from zoo.engine.publishing.metrics import read_test_rows

    measured = {"mIoU": 53.3, "mean_dice": 0.6}
    path = _written(tmp_path / "both.json", metrics=measured, evaluator="IoUMetric, DiceMetric")
    own = _written(tmp_path / "own.json", metrics=measured, evaluator="DiceMetric")

    both, alone = (
        {row["name"]: row.get("unit") for row in read_test_rows(each, SHA256)}
        for each in (path, own)
    )

    assert both == {"mIoU": "percent", "mean_dice": None}
    assert alone == {"mIoU": None, "mean_dice": None}
